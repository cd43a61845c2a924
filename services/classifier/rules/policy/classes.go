package policy

import "strings"

// Classes is a set of classes of data types. The empty set is an unknown type.
type Classes uint16

// The classes. ClassRate is a number with more decimals than an amount, or with few digits before them. ClassCode is
// too short for anything but a code or a flag. ClassShortText is text that may hold a number: some systems store scores
// and rates as text. A policy that lists "text" means both classes of text.
const (
	ClassDate Classes = 1 << iota
	ClassAmount
	ClassRate
	ClassNumber
	ClassCode
	ClassBoolean
	ClassShortText
	ClassText
	ClassBinary
)

// classNames are the names of the classes in a policy file, in the order of their bits.
var classNames = []string{"date", "amount", "rate", "number", "code", "boolean", "short text", "text", "binary"}

// String returns the names of the classes, joined by "or".
func (c Classes) String() string {
	var names []string
	if c&ClassText != 0 {
		c &^= ClassShortText
	}
	for i, name := range classNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

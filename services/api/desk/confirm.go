package desk

import (
	"fmt"

	"github.com/pdeflow/pdeflow/schema"
)

// Confirm asks before something happens to several mappings. Its form posts the same request again, with confirmed.
type Confirm struct {
	Caller
	// Question is the title, such as Approve 3 mappings?
	Question string
	// Button is what happens, with the number.
	Button string
	// Facts are sentences about it.
	Facts []string
	// Mappings are the first of those that it happens to.
	Mappings []schema.ListedMapping
	// Action is the address of the form, and Fields are its hidden fields.
	Action string
	Fields []FormField
	// Option is a choice, or nil.
	Option *Option
	// Comment adds a field for a comment, which has the text.
	Comment bool
	Text    string
	// None means that nothing would happen, so that there is no button.
	None bool
	// Back is the page to return to without an answer.
	Back string
}

// Option is another question, which is asked instead.
type Option struct{ URL, Label string }

// FormField is a hidden field of a form.
type FormField struct{ Name, Value string }

func (v Confirm) page() (name, title, section string) { return "confirm", v.Question, "reports" }

// Verb returns the imperative of a decision.
func Verb(decision schema.ReviewStatus) string {
	switch decision {
	case schema.ReviewStatusApproved:
		return "Approve"
	case schema.ReviewStatusRejected:
		return "Reject"
	case schema.ReviewStatusNeedsRevision:
		return "Send back"
	default:
		return "Reset"
	}
}

// CountOf returns a number of mappings in words.
func CountOf(n int64) string {
	if n == 1 {
		return "1 mapping"
	}
	return fmt.Sprintf("%s mappings", number(n))
}

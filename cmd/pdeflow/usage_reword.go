package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
)

// The cli package returns untyped errors in English. These are the sentences of github.com/urfave/cli/v3 v3.14.0 that
// are reworded, so that errors name a flag as it is typed, its variable, and a correct value. Sentences that are not
// listed are printed as they are. usage_reword_test.go pins each sentence and the version.
const (
	unknownFlag = "flag provided but not defined: -"
	noValue     = "flag needs an argument: "
)

var (
	missingFlags = regexp.MustCompile(`^Required flags? "(.*)" not set$`)
	wrongValue   = regexp.MustCompile(`^invalid value (".*") for flag -([^:]+): (.*)$`)
	wrongSetting = regexp.MustCompile(
		`^could not parse (".*") as \w+ value from environment variable (\w+) for flag ([^:]+): (.*)$`)
	noHelpTopic = regexp.MustCompile(`^No help topic for '(.*)'$`)
)

// reword rewords the errors that the cli package returns without calling OnUsageError.
func reword(err error) error {
	if err == nil {
		return nil
	}
	if m := wrongSetting.FindStringSubmatch(err.Error()); m != nil {
		return usagef("%s (%s) cannot be %s: %s", m[2], dashed(m[3]), requote(m[1]), expectation(m[4]))
	}
	if m := noHelpTopic.FindStringSubmatch(err.Error()); m != nil {
		return usagef("there is no command %s to help with (see pdeflow --help)", quoted(m[1]))
	}
	return err
}

// explainUsage rewords an error of the cli package and adds where to find the right usage.
func explainUsage(cmd *cli.Command, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, unknownFlag); ok {
		text = "there is no flag " + dashed(name) + didYouMean(name, flagNames(cmd), dashed)
	} else if name, ok := strings.CutPrefix(text, noValue); ok {
		text = name + " needs a value"
	} else if m := missingFlags.FindStringSubmatch(text); m != nil {
		var names []string
		for name := range strings.SplitSeq(m[1], ", ") {
			names = append(names, dashed(name))
		}
		text = strings.Join(names, " and ") + " must be given"
	} else if m := wrongValue.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("%s cannot be %s: %s", dashed(m[2]), requote(m[1]), expectation(m[3]))
	}
	return usagef("%s (see %s --help)", text, cmd.FullName())
}

// requote replaces Go's quotation marks around a value.
func requote(text string) string {
	value, err := strconv.Unquote(text)
	if err != nil {
		return text
	}
	return quoted(value)
}

// expectation turns the reason why a value cannot be parsed into what was expected.
func expectation(reason string) string {
	switch {
	case strings.HasPrefix(reason, "strconv.ParseInt"):
		return "must be a whole number"
	case strings.HasPrefix(reason, "time: "):
		return "must be a duration, such as 90s or 8h"
	case reason == "parse error", strings.HasPrefix(reason, "strconv.ParseBool"):
		return "must be true or false"
	default:
		return reason
	}
}

// flagNames returns the names of all flags of the command and its ancestors.
func flagNames(cmd *cli.Command) []string {
	var names []string
	for _, ancestor := range cmd.Lineage() {
		for _, flag := range ancestor.Flags {
			names = append(names, flag.Names()...)
		}
	}
	return names
}

// didYouMean suggests the candidate that is closest to the word, if one is close. [cli.SuggestCommand] does not serve:
// it suggests the nearest name however far it is, such as "check" for "frobnicate".
func didYouMean(word string, candidates []string, typed func(string) string) string {
	best, least := "", 3
	for _, candidate := range candidates {
		distance := schema.EditDistance(word, candidate)
		if strings.HasPrefix(candidate, word) && len(word) > 1 {
			distance = 1
		}
		if distance < least && distance < len(candidate) {
			best, least = candidate, distance
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + typed(best) + "?"
}

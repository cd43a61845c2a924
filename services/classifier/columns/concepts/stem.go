package concepts

import "strings"

// suffixes are endings of English words with one stem, the longer ones first.
var suffixes = []string{
	"abilities", "ability", "ations", "ation", "ances", "ance", "ences", "ency", "ence", "ancy", "ments", "ment",
	"ities", "ility", "ables", "able", "ible", "ions", "ion", "ings", "ing", "ants", "ant", "ents", "ent", "ives",
	"ive", "ials",
	"ial", "ity", "ies", "ied", "ed", "al", "ly", "es", "y", "e", "s",
}

const (
	shortestStem = 5
	// shortestInflected is the shortest stem of a verb with a regular ending, such as added.
	shortestInflected = 3
)

// Stem returns a word without its ending, or "" if too little would be left: schedule and scheduled have one stem.
func Stem(word string) string {
	for _, suffix := range suffixes {
		s, ok := strings.CutSuffix(word, suffix)
		if ok && (len(s) >= shortestStem || len(s) >= shortestInflected && (suffix == "ed" || suffix == "ing")) {
			return s
		}
	}
	if len(word) >= shortestInflected {
		return word
	}
	return ""
}

// inflections are the endings of the forms of one word, the longer ones first.
var inflections = []string{"ings", "ing", "ied", "ies", "ed", "es", "e", "s"}

// shortestBase is the shortest word without an ending.
const shortestBase = 4

// Base returns a single word without the ending of an inflection, or "" if too little would be left: posted and posting
// have one base. Unlike [Stem], it keeps words apart that are derived from one another, such as custom and customer.
func Base(word string) string {
	if strings.Contains(word, " ") {
		return ""
	}
	for _, ending := range inflections {
		if s, ok := strings.CutSuffix(word, ending); ok && len(s) >= shortestBase {
			return s
		}
	}
	if len(word) >= shortestBase {
		return word
	}
	return ""
}

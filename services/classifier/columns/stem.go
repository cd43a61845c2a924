package columns

import "strings"

// suffixes are endings of English words with one stem, the longer ones first.
var suffixes = []string{
	"abilities", "ability", "ations", "ation", "ances", "ance", "ences", "ency", "ence", "ancy", "ments", "ment",
	"ities", "ility", "ables", "able", "ible", "ions", "ion", "ings", "ing", "ants", "ant", "ents", "ent", "ives", "ive", "ials",
	"ial", "ity", "ers", "ors", "ies", "ied", "ed", "er", "or", "al", "ly", "es", "y", "e", "s",
}

const shortestStem = 5

// stem returns a word without its ending, or "" if too little would be left: schedule and scheduled have one stem.
func stem(word string) string {
	for _, suffix := range suffixes {
		if s, ok := strings.CutSuffix(word, suffix); ok && len(s) >= shortestStem {
			return s
		}
	}
	if len(word) >= shortestStem {
		return word
	}
	return ""
}

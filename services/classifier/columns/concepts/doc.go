// Package concepts knows the words of banking that names of attributes and columns consist of.
//
// A [Vocabulary] reads a name as terms: words (package words), with known phrases as one term. It knows which terms
// mean the same, nearly the same or the opposite, and which [Kind] of value a name and a declared type announce. [Fit]
// and [CapacityFit] compare the kinds and types of an attribute and a column.
//
//	vocabulary.go    terms and their relations, parsed from concepts.txt
//	kind.go, fit.go  kinds of value, and how well a column of one kind can feed an attribute of another
//	name.go          the parts, acronyms and prefixes of names
//	abbreviation.go, stem.go  words that may be the same as another: short forms, misspellings, inflections
//
// It knows neither columns nor attributes: that a term matters is decided by package columns.
package concepts

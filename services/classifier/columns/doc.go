// Package columns ranks the columns of a report's data sources as candidates for an attribute of the report.
//
// A name is read as terms: its words (package words), with known phrases as one term (concepts.txt). The names are
// compared in both directions: how much of the attribute the column answers (recall), and how much of the column's
// name the attribute explains (precision). Rare terms have more weight than common ones. The table's name and the
// column's description may have terms that the column's name omits, and the kind of value and the declared type must
// fit. A qualifier that contradicts the attribute (original for current, month end for cycle end) costs most of the
// score, because near twins have everything else in common.
//
// [Index.Rank] takes four steps, each in one file:
//
//	read.go       read       the attribute into a request
//	shortlist.go  shortlist  the promising columns
//	score.go      score      each of them against the request
//	explain.go    explain    the result in a rationale
//
// rank.go calls them in this order. index.go prepares the columns once, vocabulary.go parses concepts.txt, and
// weights.go has every number.
//
// Decisions:
//
//  1. Nothing is learnt from one report. All knowledge is in concepts.txt and in package words, where a data steward
//     can read it.
//  2. The confidence is that of the result, even if the result is that nothing fits. It grows with the score and with
//     the margin to the next candidate, up to 95, because names alone prove nothing. It is 0 if there are no
//     candidates.
//  3. [Index.Rank] is pure. An Index reuses memory between calls and keeps nothing else.
//  4. Columns are found through their rarer terms, and only the most promising are scored, so that the cost of a call
//     grows slowly with the number of columns.
package columns

// Package columns ranks the columns of a report's data sources as candidates for an attribute of the report.
//
// A name is read as terms (package words, and concepts.txt for what words mean to each other), and compared in both
// directions: how much of what the attribute asks the column answers, and how much of the column's name the attribute
// explains. Rare terms count more than common ones, the table's name and the column's description may have what the
// column's name leaves out, and the kind of value and the declared type must fit. A qualifier that contradicts
// (original for current, month-end for cycle-end) costs most of the score, because near twins share everything else.
//
// An answer takes four steps, a file each: read.go turns the attribute into a request, shortlist.go finds the
// promising columns, score.go compares each with the request, explain.go writes the rationale; rank.go puts them
// together. index.go prepares the columns once, vocabulary.go has the terms and weights.go every number.
//
// Decisions:
//
//  1. Nothing is learnt from one report: all knowledge is in concepts.txt and in package words, where a data steward
//     can read it.
//  2. The confidence is in the answer, "nothing fits" included. It grows with the score and with the lead over the next
//     candidate, up to 95: names alone prove nothing. Without a column to compare it is 0.
//  3. [Index.Rank] is pure. An Index keeps memory between calls and nothing else.
//  4. Columns are found through the rarer terms and only the most promising are scored, so that the cost of a call
//     grows slowly with the number of columns.
package columns

// Package columns ranks the columns of a report's data sources as candidates for an attribute of the report.
//
// A name is read as terms: its words (package words), with known phrases as one term (package concepts). The names
// are compared in both directions: how much of the attribute the column answers (recall), and how much of the
// column's name the attribute explains (precision). Rare terms have more weight than common ones, and what the
// attribute is about has more than its qualifiers. The table's name and the column's description may have terms that
// the column's name omits. A declared key identifies the rows of its table or of the one that it refers to, whatever
// its name is; and a declared primary key shows which of the other numbers people use (keys.go). The kind of value
// and the declared type are weighed too: the more of the name matches, the less a guess of the kind counts. Only a
// contradiction that a person would accept excludes a column, such as a date for an amount; a qualifier that
// contradicts the attribute (original for current, month end for cycle end) costs most of the score, because near
// twins have everything else in common.
//
// [Index.Report] adds the evidence of the whole report: which tables it is about, by the columns that suit it and by
// the tables that its attributes name, those to which these refer by foreign keys, and which columns suit another
// attribute better. A report of which the best columns lead little over the next ones is unclear, and all its results
// are less certain. [Report.Rank] is in rank.go and takes four steps, each in one file:
//
//	read.go       read       the attribute into a request: the terms that a column should have
//	shortlist.go  shortlist  the promising columns, also by terms that may be short forms
//	score.go      score      each of them against the request
//	explain.go    explain    the result in a rationale
//
// index.go prepares the columns once (table.go, column.go, keys.go, defaults.go). weights.go has the weights of the
// evidence, and calibration.csv those from which a confidence is computed. Package concepts knows the words and the
// kinds of value.
//
// Decisions:
//
//  1. Nothing is learnt from one report. All knowledge is in concepts/concepts.txt and in package words, where a data
//     steward can read it.
//  2. The confidence is the probability that the result is right, even if the result is that nothing fits. It is
//     fitted to labelled sets (package eval), up to 97 because names alone prove nothing. That nothing fits is never
//     as certain, because a column may have a name that the vocabulary does not know. It is 0 if there are no
//     candidates.
//  3. [Index.Rank] and [Report.Rank] are pure. They reuse memory between calls and keep nothing else. Of columns with
//     equal scores, the first by name wins, so that the order of the candidates decides nothing.
//  4. Columns are found through their rarer terms, and only the most promising are scored, so that the cost of a call
//     grows slowly with the number of columns.
package columns

// Package columns ranks the columns of a report's data sources as candidates for an attribute of the report.
//
// A name is read as terms (package words, and concepts.txt for what words mean to each other), and compared in both directions: how much of
// what the attribute says the column says too, and how much of what the column says the attribute asked for. Rare terms count more than
// common ones, the table's name and the column's description may say what the column's name leaves out, and the kind of value and the
// declared type must fit. A qualifier that contradicts (original where current is asked, month-end where cycle-end is) costs most of the
// score, because near twins share everything else.
//
// Decisions:
//
//  1. Nothing is learnt from one report: all knowledge stands in concepts.txt and in package words, where a data steward can read it.
//  2. The confidence is in the answer, "nothing fits" included. It grows with the score and with the lead over the next candidate, up to 95:
//     names alone prove nothing. Without a column to compare it is 0.
//  3. Every function is pure. An [Index] keeps buffers between calls and nothing else.
//  4. Columns are found through the rarer terms and only the most promising are compared whole, so that the cost of a call grows slowly
//     with the number of columns.
package columns

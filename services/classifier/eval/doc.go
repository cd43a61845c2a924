// Package eval measures a classifier against attributes with known answers.
//
//	set.go          Set        attributes, columns and labels; Subject, the classifier to measure
//	answer.go       Set.Answer one subject's answers, computed as a job does
//	field.go                   the judged fields of an answer
//	measure.go      Measure    the share of right answers, per field, with confusion matrices
//	column.go                  the measures of column mapping
//	reliability.go             whether a confidence of 90 means that 90 of 100 are right
//	mistake.go                 the wrong answers, the most confident first, with their rationales
//	difference.go   Compare    the answers in which two subjects differ
//
// Decisions:
//
//  1. A label lists the best answer first and then the defensible ones. An answer is right strictly if it is the best
//     one, and leniently if it is any of them. A field without a label is not counted.
//  2. "No column fits" is an answer like any other: its label is the word none, and finding a column for it is a
//     mistake.
//  3. Confidences are measured against lenient answers. The confidence of a class counts as right if all labelled
//     fields of the classification are.
//  4. Everything is a pure function, so that the command and the tests in CI measure the same.
package eval

// Package sample is a report to try pdeflow on: FR Y-14M schedule D.1, domestic credit cards, one row per account, with
// the schema of an issuer's source systems to choose columns from. All of it is invented except the public facts of the
// form.
//
//  1. The texts are files as a user would import them, so that the demo takes the same path as any report.
//  2. Descriptions of columns are realistic: terse, some empty, a few slightly misleading. Near twins are listed in
//     testdata/twins.csv.
//  3. An account's code that a lookup table decodes exists twice: the labels in testdata/gold.csv prefer the column
//     that holds the reported value and accept the one that refers to it.
//  4. The issuer has no loss sharing agreements and offers no payment holidays, so for four attributes nothing fits. In
//     a file of labels an empty cell means not judged, so a test lists them.
//  5. No full name of four words or more and no technical name of an attribute occurs anywhere else in the repository:
//     the classifier must not know this report. A test checks it. It walks the tree instead of calling git, so that Go
//     notices new files when it caches the result, and so that untracked files count.
package sample

// Package sample is a report to try pdeflow on: FR Y-14M schedule D.1, domestic credit cards, one row per account, with
// the schema of an issuer's source systems to choose columns from. All of it is invented except the public facts of the
// form.
//
//  1. The texts are files as a user would import them, so that the demo goes the way that everybody's report goes.
//  2. Descriptions of columns are as in life: terse, some empty, a few slightly misleading. Near twins are listed in testdata/twins.csv.
//  3. An account's code that a lookup table decodes is there twice: the labels in testdata/gold.csv prefer the column that holds the
//     reported value and accept the one that leads to it.
//  4. The issuer has no loss sharing agreements and offers no payment holidays, so for four attributes nothing fits. In a file of labels an
//     empty cell means not judged, so it is a test that names them.
//  5. No full name of four words or more and no technical name of an attribute stands anywhere else in the repository: what classifies and
//     maps must not know this report. A test looks. It walks the tree rather than ask git, because a test's cached result then notices
//     new files, and because what is not tracked yet will be.
package sample

// Package words reads the names that people and systems give to things: it turns "ACCT_OPN_DT", "acctOpenDate" and "Account Open Date"
// into the same words.
//
// A name is cut at separators, at changes of case and at digits; each piece is looked up in a dictionary of abbreviations
// (abbreviations.txt, a readable file with the rule for choosing where a piece has several meanings), a run-together piece is cut at words
// that the dictionary knows, and what is left is made lower-case and singular.
//
// The words are a normal form, not English: "days past due" and "DPD" are both [day past due], "percentage" is [percent], "two" is [2],
// "delinquent" is [delinquency]. Whoever compares with these words passes both sides through [Split].
package words

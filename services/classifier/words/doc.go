// Package words reads the names that people and systems give to things: it turns "ACCT_OPN_DT", "acctOpenDate" and
// "Account Open Date" into the same words.
//
// A name is cut at separators, at changes of case and at digits; each piece is looked up in a dictionary of
// abbreviations (abbreviations.txt, a readable file with the rule for choosing where a piece has several meanings), a
// run-together piece is cut at words that the dictionary knows, and what is left is made lower-case and singular.
//
// A name in another language becomes English (translations.txt, with the English of a word in each language): accents
// are dropped, compounds and scripts without spaces are cut at known words, and where the noun comes first ("fecha de
// nacimiento") the order is turned round. So phrases that compare with these words are written once, in English. An
// English reading comes first: a name is translated only if it has a word that English does not know and no
// abbreviation is likely to be.
//
// The words are a normal form, not English: "days past due" and "DPD" are both [day past due], "percentage" is
// [percent], "two" is [2], "delinquent" is [delinquency]. Whoever compares with these words passes both sides through
// [Split].
package words

// Package words splits the names of attributes, tables and columns into words in a normal form: "ACCT_OPN_DT",
// "acctOpenDate" and "Account Open Date" are all [account open date].
//
// # The steps
//
//  1. split.go cuts a name at separators, at changes of case and at digits.
//  2. dictionary.go looks up each piece in abbreviations.txt. An entry can have several meanings with conditions on
//     the neighbours: "CR_LMT" is a credit limit, "CR_MTH" the current month.
//  3. A piece that is in no dictionary is cut into words that are ("CURRBAL"), or made lower-case and singular.
//  4. translation.go translates names in other languages by translations.txt. It drops accents, cuts compounds and
//     scripts without spaces at known words, and reverses the order of languages in which the noun comes first ("fecha
//     de nacimiento").
//
// # Decisions
//
//  1. The result is a normal form and not English: "percentage" is [percent], "two" is [2], "DPD" and "days past due"
//     are [day past due]. To compare a text with it, pass the text through [Split] too.
//  2. English comes first. A name is translated only if it has a word that is in no English dictionary and is not
//     likely to be an abbreviation.
//  3. An organisation's words are a [Vocabulary], in the format of abbreviations.txt, and go before the embedded ones.
//     It is a value that the rules and the ranking of columns are given, so that two organisations can have their
//     own. [Vocabulary.Learn] proposes entries; a person decides.
//  4. Both dictionaries are text files that a data steward can edit. They are embedded and read once. A mistake in
//     them is a mistake in the program: the first use panics, and the tests of this package use them.
package words

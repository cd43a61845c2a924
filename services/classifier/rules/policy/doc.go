// Package policy has the format of classification policies, their parser, and the policy that comes with pdeflow.
//
// A [Policy] is data. [Parse] reads it from text and reports every mistake with its line. [Default] is the built-in
// policy. Packages rules and rules/reading interpret policies.
//
// # The format
//
// A headline begins at the start of a line. Its entries follow, indented. Lines that begin with # are comments:
//
//	policy 1.0                      the version; classified_by is rules@1.0
//	law FCRA                        a regulation that can be cited
//	  text: FCRA, Regulation V
//	facet date                      a kind of value
//	  words: date, timestamp
//	  begins: is                    words that determine the facet if a name begins with them
//	  types: date, text             data types that can hold the facet; others exclude it
//	  implied-by: date              data types that imply the facet if no word names one
//	party person                    a person or company that an attribute can be about
//	  words: borrower, applicant
//	concept score                   words that have the same meaning for the rules
//	  words: credit score, FICO
//	  alone: grade                  words that have it only if the name has no other words that matter
//	filler                          words that decide nothing
//	  words: of, the, current
//	report FR Y-14M                 a filing
//	  names: Y-14M                  words that its name contains; * separates parts
//	  begins: HMDA                  words that its name begins with, if necessary after a year
//	  mdrm: BHCK                    mnemonics that the MDRM codes of its lines begin with
//	  kind: loan
//	  party: person                 the party that a line is about unless it names another
//	  laws: FCRA
//	risk                            the risk of a leak, by tier, and of an error, by facet
//	  leak High: HRCI
//	  leak Medium: Confidential
//	  leak Low: Proprietary, Public
//	  error Medium: date
//	default                         the answer for an attribute that no rule fits
//	  tier: Confidential            also personal, criticality, regulatory, because
//	  filed: FCRA                   the law to cite for a line of a filing that no report block describes
//	column
//	  raises-from: 70               the confidence from which a column may raise a tier
//	  sums: amount                  facets of which a published figure is a sum, whose rows raise nothing
//	  signs: name                   facets that describe who signs a published filing
//	  customers: person             parties whose columns always raise the tier
//	group Scores                    a title for the rules that follow
//	rule score value
//	  any: [score], beacon          one of these concepts or phrases; all: each of them; none: not one of them
//	  is-not: date                  facets: is, is-not; parties: of, of-not; kinds of report: in, in-not
//	  marked: critical              primary key, critical, mandatory, row key, lookup entry
//	  tier: HRCI
//	  personal: yes
//	  criticality: High
//	  leak: High                    the risk of a leak, if it is not the one of the tier
//	  regulatory: yes               yes, no, or "only filed": a filing may require it, but no law does
//	  laws: FCRA
//	  because: the value of a score decides about a person's credit
//	  certainty: 80                 the confidence is multiplied by this percentage
//	  yields: yes                   the words only name a kind of value: every other rule with words goes first
//	  by-table: no                  the name of a table is not enough for the words and the party; last: it is enough
//	                                if it ends with them
//	  example: Credit Score | N3    a test: NAME | TYPE | TABLE | REPORT | MARK that the rule decides; one a line
//	  counterexample: Score Date    one that it does not decide
//	refine aggregate                changes single answers of the rule that won
//	  any: portfolio
//	  tier: at most Confidential    "at least" only raises a value, "at most" only lowers it
//	  because: an aggregate is about no single person
//
// A rule needs a condition, a tier, personal, a criticality and a reason. A refinement needs a condition, an answer
// and a reason.
//
// # Extending the built-in policy
//
// A policy with the headline "extends built-in" has all blocks of the built-in policy, and changes them by name. Its
// own version names the whole:
//
//	policy acme-1
//	extends built-in
//	extend concept score            adds to the lists of a block, and replaces its other entries
//	  words: acme score
//	override rule fee               replaces a block
//	  any: [fee]
//	  ...
//	remove rule marketing           removes a block
//	rule gizmo                     adds a block
//	  ...
//
// # Decisions
//
//  1. The format is made for data-governance officers: few kinds of lines, and messages that propose a correction. It
//     is neither YAML nor a rule language.
//  2. All mistakes are reported at once, and a policy with a mistake is not used at all.
//  3. Phrases have the normal form of package words. The file therefore has each phrase once, in English.
//  4. A policy without "extends" is used alone, so that an officer can also replace the built-in one. A block that has
//     the name of a built-in one needs "override" or "extend", so that none is replaced by accident.
//  5. The default policy is embedded. A mistake in it is a mistake in the program, so [Default] panics, as the embedded
//     dictionaries of packages words and columns do.
package policy

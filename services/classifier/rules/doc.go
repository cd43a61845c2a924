// Package rules classifies attributes by a policy that a data-governance officer can read and change.
//
// A [Policy] is a text file ([Parse], [Default]). [Policy.Classify] answers the five questions for one attribute as a
// pure function of policy and input, says which rule answered and on which words, what else was considered, and how
// sure it is; [Policy.Explain] shows the derivation.
//
// # How a name is read
//
// Words come in the normal form of package words. The first segment of a name up to its first preposition is its
// head, the rest qualifies it. Names in other languages have become English there. The policy's phrases are found in
// the words, the longest first. The last facet word of the head tells what the attribute says of its subject (an
// amount, a date, a name, a flag ...), or the first word where it is one that begins such names, unless the declared
// data type cannot hold that; where no word tells, the type does. The last party word tells whom it is about. Then
// every rule that one of the phrases may speak for is held against this reading and counts points, and the best
// answers.
//
// # The files
//
// The parsed policy is in policy.go with its parser (block.go, parse.go, parse_rule.go), its phrases (lexicon.go), its filings (report.go) and
// its data types (classes.go). An answer takes these steps: read.go and facet.go make a reading of the input; judge.go compares one rule
// with it; derivation.go finds the rules that fit and facts.go settles the answers, which risk.go adds to; column.go lets the column raise
// the tier. answer.go, confidence.go, rationale.go and explain.go present the result.
//
// # The format
//
// A headline begins at the start of a line, its entries are indented below, lines that begin with # are remarks:
//
//	policy 1.0                      the version; classified_by is rules@1.0
//	law FCRA                        what can be cited
//	  text: FCRA, Regulation V
//	facet date                      what can be said of a thing
//	  words: date, timestamp
//	  begins: is                    words that decide for it where a name begins with them
//	  types: date, text             data types that can hold it; others rule it out
//	  implied-by: date              data types that speak for it by themselves
//	party person                    whom an attribute can be about
//	  words: borrower, applicant
//	concept score                   words that mean one thing to the rules
//	  words: credit score, FICO     alone: words that mean it only where a name says nothing else
//	filler                          words that decide nothing
//	  words: of, the, current
//	report FR Y-14M                 what is known of a filing
//	  names: Y-14M                  words that stand in its name; begins: words that its name begins with
//	  kind: loan
//	  laws: FCRA
//	risk                            what a leak or an error costs, by tier and by facet
//	  leak High: HRCI
//	  leak Medium: Confidential
//	  leak Low: Proprietary, Public
//	  error Medium: date
//	default                         the answer where no rule speaks
//	  tier: Confidential
//	  filed: FCRA                   the law that is cited for a line of a filing that nothing is known of
//	column
//	  raises-from: 70               the confidence from which a column may raise a tier
//	  sums: amount                  facets of which a published figure is a sum, whose rows raise nothing
//	  signs: name                   facets of those who sign a published filing
//	  customers: person             parties whose columns raise these all the same
//	group Scores                    rules belong to the group above them
//	rule score value
//	  any: [score], beacon          one of these concepts or words; all: every one; none: not one
//	  says-not: date                facets; of, of-not: parties; in, in-not: kinds of report
//	  marked: critical              primary key, critical, mandatory
//	  tier: HRCI
//	  personal: yes
//	  criticality: High
//	  laws: FCRA
//	  because: the value of a score decides about a person's credit
//	  yields: yes                   its words only say a kind of value: every other rule with words goes before it
//	refine aggregate                changes single answers of the rule that won
//	  any: portfolio
//	  tier: at most Confidential
//	  because: an aggregate tells of no single person
//
// # Decisions
//
//  1. The best rule decides tier, personal and criticality together, so that an answer can be traced to one sentence of
//     the policy; refinements exist for what cuts across all rules (published filings, aggregates, companies, keys).
//  2. Points are counted and not ordered by place in the file, so that a rule can be added without reading all the
//     others. Ties are decided by what protects more, then by order; what protects more also goes first where points
//     rest on a description alone or on a facet that only the data type speaks for.
//  3. What is told beside the name (description, table) helps where the name says nothing. It does not overrule a name,
//     refine an answer, or lower what the name's kind of value would get.
//  4. Risk and the regulatory flag are derived: risk from what a leak of the tier and an error in the facet cost, the
//     flag from the filing and the laws. A rule states them only where they do not follow.
//  5. A column is classified as what it is, whatever filing it feeds, and can raise the tier; flag, risk and laws then
//     follow it. Below a confidence it raises nothing: an unknown column is no evidence. Nor, where the filing is
//     published, does a plain figure whose sum it publishes, or a name or contact that is no customer's, as that of an
//     officer who signs it.
//  6. Names in other languages are translated word by word in package words, so that the policy has each rule once.
//     Only the names of government numbers, which have no English, stand in it as people write them.
//  7. A kind ("type", "category") that nothing else is known of is public only as a line of a filing, whose
//     instructions list its values. The types of a system are of its own making.
package rules

// Package rules classifies attributes by the rules of a policy. It is a pure function of policy and input.
//
// [Engine.Classify] answers the five questions about an attribute (tier, criticality, risk, regulatory flag, personal
// flag) and gives the reasons: the rule that won, the words it matched, the other rules that were considered, and a
// confidence. [Engine.Explain] shows the derivation of the answer.
//
// # The path of one classification
//
//  1. Package rules/policy parses the policy file once. [New] indexes its rules by concept.
//  2. Package rules/reading reads the attribute: it finds the policy's phrases in the names and the description and
//     determines the kind of value (the facet) and the person or company that it is about (the party).
//  3. judge.go compares rules with this reading. Each condition that a rule meets earns points. Of the rules that fit,
//     the best one wins. Then it collects the refinements that fit.
//  4. answer.go takes the values of the winner, applies the refinements, derives the risk, the regulatory flag and the
//     references from them, and counts the confidence.
//  5. rationale.go writes the reasons. Mappings store them.
//  6. engine.go runs these steps, and runs them again for the column that feeds the attribute, which can raise the
//     tier.
//
// explain.go shows the result of each step and decides nothing.
//
// # Decisions
//
//  1. The best rule decides tier, personal flag and criticality together, so that an answer can be traced to one
//     sentence of the policy. Refinements exist for conditions that concern many rules: published filings, aggregates,
//     companies, keys.
//  2. Rules earn points; their order in the file does not matter. A rule can be added without reading all others. Ties
//     go to the rule that protects more, then to the first. The rule that protects more also wins over points that
//     come from a description alone, or from a facet that only the data type implies.
//  3. A description or a table helps if the name decides nothing. It does not overrule a name, does not refine an
//     answer, and does not lower the tier of the kind of value in the name.
//  4. Risk and regulatory flag are derived: the risk from the tier (leak) and the facet (error), the flag from the
//     filing and the laws. A rule states them only if they do not follow.
//  5. A column is classified by itself, whatever filing it feeds. It can raise the tier; regulatory flag, risk and
//     laws follow. It raises nothing if the confidence is low. In a published filing it also raises nothing if it is a
//     figure whose sum is published, or the name or contact of a signatory who is no customer.
//  6. Package words translates names in other languages word by word, so that the policy has each rule once, in
//     English. Only names of government numbers, which have no English equivalent, are in the policy in their own
//     language.
//  7. A type or category of which nothing else is known is public only as a line of a filing, whose instructions list
//     its values. The types of a system are proprietary.
//  8. The confidence is counted from the evidence, not learned. Tests compare it with labelled attributes.
//  9. Personal data of customers is at least Confidential, whatever the policy answers.
package rules

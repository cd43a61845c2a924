// Package llm asks a language model for the column and the classification of a mapping.
//
//	prompt.txt     the versioned text of the prompt
//	prompt.go      Prompt   fills it from the policy and from the metadata of one mapping
//	ask.go         Ask      one question: a request, and one repair if the reply cannot be used
//	tables.go      Tables   the question that comes before, if the ranking is unsure: the tables to look in
//	reply.go       parse    reads a reply strictly
//	confidence.go           counts the confidence of an answer from evidence
//	calibration.go          corrects it by labelled answers
//	price.go       Prices   the exact cost of a call
//
// Package provider has the clients of the two protocols, llmtest a server for tests, and throttle the limit of calls.
// The package has no state, and does not write: the classifier records every call.
//
// # Decisions
//
//  1. The model chooses among given candidates by index, so that it cannot invent a column, and laws from the policy's
//     list. A reply outside of the schema or of the candidates is repaired once and then refused. It is never saved.
//  2. The prompt has metadata only: names, types and descriptions. What looks like a value in a description, a long
//     number or an e-mail address, is replaced. Imported text is one block of JSON, in which < and > are escaped, so
//     that a description cannot end the block; the instructions before it are the same for all mappings, which is also
//     what providers cache.
//  3. If the ranking is unsure, its candidates may lack the right column. The model first names tables by index, in a
//     call of its own, and their columns become the candidates. On the labelled sets, 11% of the right columns are not
//     among the 40 candidates if the confidence of the ranking is below 60, 4% if it is 60 to 84, and 1% above.
//  4. A reply is not believed because it is well formed. Its confidence comes from the agreement with the rules, the
//     ranking and the probabilities of the tokens, if the provider returns them. The model is not asked how sure it is.
//     The share of right answers of a model alone (prior) is an assumption. eval --calibrate computes from labelled
//     answers by how much the confidences of a model must be corrected (calibration.go), for each kind of agreement.
//  5. Costs are whole numbers of picodollars, so that sums are exact; prices have at most six decimals per million
//     tokens.
package llm

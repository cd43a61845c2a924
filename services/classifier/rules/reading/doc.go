// Package reading recognises the phrases of a policy in the names and descriptions of an attribute, and determines from
// them the kind of value (the facet) and the person or company that the attribute is about (the party).
//
// [Reader.Read] is the entry point: a pure function of policy and input. A [Reading] is data. It does not know rules.
//
// # The steps
//
//  1. The texts are split into words by package words. Words of the name are in its head, up to the first preposition,
//     or they qualify the head: "Score" in "Customer Score for the Portfolio" is in the head, "Portfolio" qualifies it.
//  2. The policy's phrases are found in the words. A phrase inside a longer phrase of the same kind does not count.
//  3. The facet is determined: by the word that begins the name ("IS_ACTIVE"), the last facet word of the head, a facet
//     word that qualifies it, the technical name, the data type, and the description, in this order. A facet that the
//     declared data type cannot hold is skipped.
//  4. The party is determined: the last one in the head, or else the first elsewhere, or else the report's.
//
// # Decisions
//
//  1. Names are trusted more than descriptions, because a description mentions much that the attribute is not.
//  2. A data type excludes facets more reliably than it implies them. A facet implied by a code or a text is a guess
//     (FacetGuessed): it can make a rule fit, but it excludes none.
//  3. Inputs are truncated to a length that no real name reaches, so that no input is slow.
package reading

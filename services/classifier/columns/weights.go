package columns

import "github.com/pdeflow/pdeflow/schema"

// This file has every number that decides a ranking. They are judgements, held to the labelled schemas of testdata by
// the tests: a change shows in the golden files. A factor "after" something is what it leaves of a score.

// What reading an attribute gives a term, by where it stands.
const (
	inNameDegree        = 1.0
	inTechnicalDegree   = 0.95
	inPhraseDegree      = 0.85
	inDescriptionDegree = 0.6
	// technicalShare is the weight of a term of the technical name, which often repeats the name in other words.
	technicalShare = 0.3
	// unknownWeight is the weight of a term that no candidate has, and the most that any term asked for weighs.
	unknownWeight = 0.8
	// guessedInitials and guessedShort are for a term that is taken for the initials or the short form of what is
	// asked.
	guessedInitials = 0.9
	guessedShort    = 0.85
)

// How well one kind of value serves for another, where that is not listed in fits.
const (
	binaryFit      = 0.05
	unknownKindFit = 0.92
	unlistedFit    = 0.2
)

// fits are the ways from one kind of value to another; what is not listed does not go.
var fits = [...]struct {
	wanted, column kind
	degree         float64
	how            schema.MappingType
}{
	{flagKind, codeKind, 0.9, schema.Conditional},
	{flagKind, dateKind, 0.7, schema.Conditional},
	{flagKind, countKind, 0.55, schema.Conditional},
	{flagKind, amountKind, 0.4, schema.Conditional},
	{flagKind, textKind, 0.5, schema.Conditional},
	{flagKind, identifierKind, 0.6, schema.Conditional},
	{codeKind, flagKind, 0.88, schema.Direct},
	{codeKind, countKind, 0.85, schema.Direct},
	{codeKind, identifierKind, 0.7, schema.Direct},
	{codeKind, nameKind, 0.65, schema.Lookup},
	{codeKind, textKind, 0.65, schema.Lookup},
	{codeKind, dateKind, 0.4, schema.Conditional},
	{codeKind, scoreKind, 0.4, schema.Conditional},
	{identifierKind, codeKind, 0.85, schema.Direct},
	{identifierKind, textKind, 0.7, schema.Direct},
	{identifierKind, nameKind, 0.4, schema.Lookup},
	{identifierKind, countKind, 0.5, schema.Direct},
	{nameKind, textKind, 0.9, schema.Direct},
	{nameKind, codeKind, 0.75, schema.Lookup},
	{nameKind, identifierKind, 0.5, schema.Lookup},
	{textKind, nameKind, 0.9, schema.Direct},
	{textKind, codeKind, 0.75, schema.Lookup},
	{textKind, identifierKind, 0.6, schema.Direct},
	{amountKind, rateKind, 0.3, schema.Calculated},
	{amountKind, countKind, 0.4, schema.Calculated},
	{rateKind, amountKind, 0.4, schema.Calculated},
	{rateKind, scoreKind, 0.5, schema.Direct},
	{rateKind, countKind, 0.35, schema.Calculated},
	{scoreKind, countKind, 0.6, schema.Direct},
	{scoreKind, codeKind, 0.5, schema.Lookup},
	{scoreKind, rateKind, 0.6, schema.Direct},
	{countKind, dateKind, 0.7, schema.Calculated},
	{countKind, codeKind, 0.75, schema.Direct},
	{countKind, identifierKind, 0.6, schema.Direct},
	{countKind, amountKind, 0.35, schema.Calculated},
	{countKind, scoreKind, 0.5, schema.Direct},
}

// What a declared type leaves of the fit.
const (
	dateInOtherType    = 0.9
	otherTextLength    = 0.75
	digitFromAmount    = 0.6
	otherNumberLength  = 0.85
	decimalsFromText   = 0.5
	numberFromLongText = 0.7
)

// What a term weighs by how many columns have it.
const (
	// weakShare is what a term of the "weak" lines counts beside another that is as rare.
	weakShare = 0.35
	// leastWeight keeps a term that nearly every column has from meaning nothing at all.
	leastWeight = 0.12
	// opaqueShare is what a word that the dictionary does not have counts among those that the attribute does not
	// explain.
	opaqueShare = 0.5
)

// Which columns are compared.
const (
	// shortlistSize is how many columns are scored.
	shortlistSize = 48
	// One in commonShare columns, and at least commonLeast, may have a term before it no longer helps to find
	// candidates.
	commonShare = 8
	commonLeast = 512
	// widening is the factor by which that limit grows as long as no column is found.
	widening = 64
	// phraseWordShare is what a word of a phrase promises beside the phrase.
	phraseWordShare = 0.5
)

// How much an answer counts by where the column gives it.
const (
	answeredInName        = 1.0
	answeredInTable       = 0.8
	answeredInDescription = 0.8
	// answeredByKind is for a word such as "date" that the column's kind makes superfluous.
	answeredByKind = 0.9
	// answeredByDefault is for a qualifier such as "current" that goes without saying.
	answeredByDefault = 0.75
	// besidesExact is for a term that is asked for itself, and so already has its answer.
	besidesExact = 0.5
	// answeredWell is how well a term must be answered or explained to count as found.
	answeredWell = 0.3
)

// How the parts of a score add up. What the shares of precision, table and size leave counts in full.
const (
	precisionShare = 0.55
	tableShare     = 0.12
	sizeShare      = 0.02
	// unreadableTable is the share that is assumed of a table whose name the dictionary does not know.
	unreadableTable = 0.5
	// descriptionBonus is what a column's description adds that has only what the attribute asks for.
	descriptionBonus = 0.03
)

// What is left of the precision of a name that has no word of its own in common with the attribute.
const (
	// afterOtherWords is for a name whose own words are all about something else: only its table or its kind speak
	// for it. afterDescription is for such a name where the description speaks for it, to a recall of describedRecall
	// at least.
	afterOtherWords  = 0.3
	afterDescription = 0.65
	describedRecall  = 0.6
	// commonWordsLimit is the most that a name of common words comes to where the attribute has others.
	commonWordsLimit = 0.7
)

// What is left of a score.
const (
	afterContradiction      = 0.35
	afterTableContradiction = 0.6
	// afterUnaskedQualifier is for a qualifier that makes more special what is asked in general; a party or the like
	// where another is meant, and a word that makes something else of the thing, weigh heavier.
	afterUnaskedQualifier = 0.85
	afterUnaskedParty     = 0.75
	afterAlteration       = 0.7
	// afterSilence is for a column without the qualifier that is asked, where silence means another: the primary
	// borrower's score where the co-borrower's is asked.
	afterSilence = 0.7
	// afterOtherKey is for an identifier of something else.
	afterOtherKey = 0.6
	// noContradiction is how near a term must be to one that is asked to be no contradiction to it: "code" answers
	// "type", and "status code" does not.
	noContradiction = 0.75
	afterLookup     = 0.85
	afterPast       = 0.85
	afterPlumbing   = 0.7
)

// How a score becomes a confidence.
const (
	// The curve from scores to shares of right answers, fitted to the schemas in testdata and left a little below
	// what they show, because other banks' schemas hold surprises that these do not.
	evenScore = 0.4
	steepness = 10.5
	// clearLead is a lead at which the next column no longer casts doubt.
	clearLead = 0.12
	// withoutLead and withCopy are what is left of the confidence beside an equal column, and beside a copy of the
	// same element.
	withoutLead = 0.7
	withCopy    = 0.93
	// mostCertain is the most that a comparison of names can be sure of, of what fits as of nothing.
	mostCertain = 0.95
)

// What is offered and explained.
const (
	// leastScore is the least score of a column that is offered.
	leastScore = 0.4
	// mostAlternatives are shown, none of them with a score below leastAlternative.
	mostAlternatives = 5
	leastAlternative = 0.05
	// noteworthy is the weight, as a share of the heaviest, from which a missing term is mentioned.
	noteworthy = 0.3
	// fitsWell, fitsBarely and fitsLess are the degrees of fit from which, or below which, a rationale mentions the
	// type.
	fitsWell   = 0.9
	fitsBarely = 0.6
	fitsLess   = 0.95
	// mostListed is how many terms of a list a rationale has.
	mostListed = 4
)

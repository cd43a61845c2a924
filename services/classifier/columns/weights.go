package columns

// This file has every number that influences a ranking, except for the degrees of fit in package concepts. They were
// chosen by hand and not fitted, because fitting gains nothing: of 29 of them, each lowered and raised by a fifth, the
// best single change gains 1 of 307 right results on two thirds of the tuned labels and none on the third that is held
// out, and all gaining changes together gain 1 to 3 and lose 0 to 1 there (README.md of the sets of package eval has
// what each kind of evidence is worth). The tests check them against the labelled schemas, and a change is visible in
// the golden files. A constant "after..." is a factor by which a score is multiplied.

// Degrees to which an attribute explains a term, by the text that has it.
const (
	inNameDegree        = 1.0
	inTechnicalDegree   = 0.95
	inPhraseDegree      = 0.85
	inDescriptionDegree = 0.6
	// technicalShare reduces the weight of a term of the technical name, which often repeats the name in other words.
	technicalShare = 0.3
	// unknownWeight is the weight of a term that no candidate has, and the maximum weight of a requirement.
	unknownWeight = 0.8
	// unknownModifierShare reduces the weight of a word that no column has, unless it is the head of the name.
	unknownModifierShare = 0.35
	// unknownQualifierShare is the same for a word that has opposites, such as "refreshed".
	unknownQualifierShare = 1.0
	// acronymDegree is the degree of a term that is an acronym which the attribute's name gives itself.
	acronymDegree = 0.97
	// guessedInitials and guessedShort are the degrees of a term that may be the initials or the short form of a
	// requirement.
	guessedInitials = 0.9
	guessedShort    = 0.85
	guessedSpelling = 0.85
	guessedPart     = 0.8
	guessedStem     = 0.8
	// otherFormShare reduces the degree of another form of a word that the vocabulary lists as near.
	otherFormShare = 0.9
)

// Shares of a misfit of kinds that a completely matching name makes good, by what proves the kinds.
const (
	trustInProven     = 0.3
	trustInHalfProven = 0.6
	trustInGuessed    = 0.9
)

// Weights of terms, which depend on the number of columns that have the term.
const (
	// weakShare reduces the weight of a term of the "weak" lines.
	weakShare = 0.35
	// minWeight is the weight of a term that nearly every column has.
	minWeight = 0.12
	// opaqueShare reduces the weight of a word that is in no dictionary and that the attribute does not explain.
	opaqueShare = 0.5
)

// Selection of the columns to compare.
const (
	// shortlistSize is the number of columns that are scored.
	shortlistSize = 48
	// A term that more than one in commonShare columns has, and more than minCommon, is not used to find candidates.
	commonShare = 8
	minCommon   = 512
	// widening multiplies that limit until a column is found.
	widening = 64
	// phraseWordShare is the share of a phrase's weight that one of its words promises.
	phraseWordShare = 0.5
)

// Degrees of an answer by the text of the column that has it.
const (
	answeredInName        = 1.0
	answeredInTable       = 0.8
	answeredInDescription = 0.8
	// answeredAsKey is for the name of the table whose rows a declared key identifies.
	answeredAsKey = 0.9
	// answeredByKind is for a word such as "date" that the column's kind implies.
	answeredByKind = 0.9
	// answeredByDefault is for a qualifier such as "current" that is assumed if a name has none.
	answeredByDefault = 0.65
	// answeredByOmission is for a qualifier such as "original" that systems often leave out.
	answeredByOmission = 0.6
	// inexactShare reduces the inexact answers of a term that also answers a requirement exactly.
	inexactShare = 0.5
	// minFound is the minimum degree at which a term counts as answered or explained.
	minFound = 0.3
)

// Shares of a score that depend on precision, table and size. The rest does not.
const (
	precisionShare = 0.55
	tableShare     = 0.12
	sizeShare      = 0.02
	// unreadableTable is the explained share of a table whose name is in no dictionary.
	unreadableTable = 0.5
	// descriptionBonus is added for a description that the attribute explains completely.
	descriptionBonus = 0.03
)

// Limits of precision for a name that has no distinctive word in common with the attribute.
const (
	// afterOtherWords is for a name whose distinctive words are all other ones, so that only its table or kind match.
	// afterDescription is for such a name if the description matches, with a recall of at least describedRecall.
	afterOtherWords  = 0.3
	afterDescription = 0.65
	describedRecall  = 0.6
	// commonWordsLimit is the maximum precision of a name of common words if the attribute has distinctive ones.
	commonWordsLimit = 0.7
)

// Factors of a score.
const (
	afterContradiction      = 0.35
	afterTableContradiction = 0.45
	// afterUnaskedQualifier is for a qualifier that the attribute does not have. A party other than the usual one,
	// and a word that turns the thing into something else, have stronger factors.
	afterUnaskedQualifier = 0.85
	afterUnaskedParty     = 0.75
	afterAlteration       = 0.7
	// afterOmission is for a column without the required qualifier if its absence implies another one: the attribute
	// is the co-borrower's score, and a column without a party is the primary borrower's.
	afterOmission = 0.7
	// afterQualifierOmission is for a column without a required qualifier that has opposites: the attribute is the cash
	// rate, and the column a rate.
	afterQualifierOmission = 0.9
	// afterOtherKey is for an identifier of something else.
	afterOtherKey = 0.6
	// noContradiction is the minimum degree of an answer that is no contradiction: "code" answers "type", and "status
	// code" does not.
	noContradiction = 0.75
	// afterOwnKey... are for a system's own key if the attribute is a number that others assign, no identifier at all,
	// or called a number. afterForeign is for a column that refers to another table's key.
	afterOwnKeyForExternal = 0.45
	afterOwnKeyForOther    = 0.7
	afterOwnKeyForNumber   = 0.92
	afterForeign           = 0.93
	// afterGenerated is for a UUID if the attribute is a number that people use. afterShortText is for a text of at
	// most shortCode characters if the attribute is an identifier of at least longNumber.
	afterGenerated        = 0.65
	afterShortText        = 0.4
	shortCode, longNumber = 2, 8
	// afterLinkKey is for the key of a table that only links others.
	afterLinkKey = 0.75
	// afterMetadata is for a column that at least metadataShare of the tables have, and that is about their rows.
	afterMetadata = 0.6
	metadataShare = 0.6
	fewTables     = 6
	afterLookup   = 0.85
	afterPast     = 0.85
	afterSystem   = 0.7
)

// Evidence of the whole report.
const (
	// focusShare is the share of a score that depends on how much of the report the column's table feeds.
	focusShare = 0.1
	// mentionShare is the share by which the focus of the table rises that most attributes name, each of its words with
	// a degree of at least minMentionedTable.
	mentionShare      = 1.0
	minMentionedTable = 0.75
	// nearlyEqual is the share of the best score from which a copy of the best column shares the focus.
	nearlyEqual = 0.7
	// parentFocus is the least of that for a table to which the report's main table refers.
	parentFocus = 0.8
	// afterClaim is the factor for a column that suits another attribute better, by at least claimMargin.
	afterClaim  = 0.85
	claimMargin = 0.1
)

// Conversion of a score to a confidence; the rest is in calibration.csv.
const (
	// clearMargin is the margin from which the next column does not lower the confidence.
	clearMargin = 0.25
	// usualLead is the mean lead of the best columns, as a share of clearMargin, from which a report is clear, and
	// unclearLead that at which it is wholly unclear. Each report counts as if it had usualReport attributes more that
	// lead as usual, because the mean of a few shows little.
	usualLead, unclearLead = 0.7, 0.5
	usualReport            = 3
	// twinMargin is the margin below which the next column is a near twin.
	twinMargin = 0.12
	// maxCertainty is the maximum confidence of an answer, because names alone prove nothing.
	maxCertainty = 0.97
)

// Lengths that a system declares by default.
const (
	// defaultTextShare is the minimum share of the texts that have a default length, and defaultNumberShare that which
	// the numbers with decimals must exceed.
	defaultTextShare, defaultNumberShare = 0.4, 0.5
	// fewTyped is the minimum number of columns from which a common length is no coincidence.
	fewTyped = 20
	// A default length is longer than a code, and has more decimals than money.
	longestDeclaredCode, moneyScale = 20, 2
)

// Thresholds for the result and its rationale.
const (
	// minScore is the minimum score of a column that is chosen.
	minScore = 0.34
	// At most maxAlternatives are listed, each with a score of at least minAlternative.
	maxAlternatives = 5
	minAlternative  = 0.05
	// minMentioned is the weight, as a share of the heaviest, from which a rationale mentions a missing term.
	minMentioned = 0.3
	// goodFit is the fit from which a type "fits". Below poorFit a wrong kind is the first reason against a column,
	// below closeFit the last.
	goodFit  = 0.9
	poorFit  = 0.6
	closeFit = 0.95
	// maxListed is the number of terms that a list in a rationale shows.
	maxListed = 4
)

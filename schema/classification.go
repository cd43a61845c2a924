package schema

// Tier says who may see an element: the lowest tier that protects it enough.
type Tier string

// The tiers, from the most to the least protected.
const (
	// TierHRCI is highly restricted confidential information: government and full account numbers, scores, risk parameters of one obligor, secrets.
	TierHRCI Tier = "HRCI"
	// TierConfidential is what belongs to a customer or to unpublished business: balances, dates, identifiers in the form in which reports carry them.
	TierConfidential Tier = "Confidential"
	// TierProprietary is of the bank's own making: codes, names, system identifiers, row metadata.
	TierProprietary Tier = "Proprietary"
	// TierPublic is what anyone may know: as-of dates, published identifiers, states, codes defined by public instructions.
	TierPublic Tier = "Public"
)

// Tiers lists every tier, the most protected first.
func Tiers() []Tier {
	return []Tier{TierHRCI, TierConfidential, TierProprietary, TierPublic}
}

// Protects reports whether c protects an element more than other does.
func (c Tier) Protects(other Tier) bool {
	return c.rank() > other.rank()
}

func (c Tier) rank() int {
	switch c {
	case TierHRCI:
		return 4
	case TierConfidential:
		return 3
	case TierProprietary:
		return 2
	case TierPublic:
		return 1
	default:
		return 0
	}
}

// Level is a grade of criticality or of risk.
type Level string

// The levels, from the highest to the lowest.
const (
	LevelHigh   Level = "High"
	LevelMedium Level = "Medium"
	LevelLow    Level = "Low"
)

// Levels lists every level, the highest first.
func Levels() []Level { return []Level{LevelHigh, LevelMedium, LevelLow} }

// Above reports whether l is a higher level than other.
func (l Level) Above(other Level) bool { return l.rank() > other.rank() }

func (l Level) rank() int {
	switch l {
	case LevelHigh:
		return 3
	case LevelMedium:
		return 2
	case LevelLow:
		return 1
	default:
		return 0
	}
}

// Classification is the answer to the five questions asked of every mapping.
type Classification struct {
	InformationSecurityClassification Tier
	// Criticality says how much a wrong value hurts the report that the element feeds.
	Criticality Level
	// RiskLevel is the worse of two: what a leak costs, and what an error costs the report.
	RiskLevel Level
	// RegulatoryFlag says whether a regulation asks for the element or protects it.
	RegulatoryFlag bool
	// PIIFlag says whether the element identifies or describes a natural person.
	PIIFlag bool
}

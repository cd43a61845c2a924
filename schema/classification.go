package schema

// Tier is an information security classification: the lowest tier that protects an element enough.
type Tier string

// The tiers, from the most to the least protected.
const (
	// TierHRCI is highly restricted confidential information: government ids, full account numbers, scores,
	// risk parameters of one obligor, secrets.
	TierHRCI Tier = "HRCI"
	// TierConfidential is information about customers or unpublished business: balances, dates, identifiers in
	// the form in which reports contain them.
	TierConfidential Tier = "Confidential"
	// TierProprietary is information that the bank itself creates: codes, names, system identifiers, row
	// metadata.
	TierProprietary Tier = "Proprietary"
	// TierPublic is information that anyone may have: as-of dates, published identifiers, states, codes
	// defined by public instructions.
	TierPublic Tier = "Public"
)

// Tiers returns all tiers, the most protected first.
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

// Levels returns all levels, the highest first.
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

// Classification holds the five values that a job determines for every mapping.
type Classification struct {
	InformationSecurityClassification Tier
	// Criticality is the harm that a wrong value does to the report.
	Criticality Level
	// RiskLevel is the higher of two risks: that of a leak, and that of an error in the report.
	RiskLevel Level
	// RegulatoryFlag is true if a regulation requires or protects the element.
	RegulatoryFlag bool
	// PIIFlag is true if the element identifies or describes a natural person.
	PIIFlag bool
}

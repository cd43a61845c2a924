package schema

// InformationSecurityClassification says who may see an element: the lowest tier that protects it enough.
type InformationSecurityClassification string

// The tiers, from the most to the least protected.
const (
	// HRCI is highly restricted confidential information: government and full account numbers, scores, risk parameters of one obligor, secrets.
	HRCI InformationSecurityClassification = "HRCI"
	// Confidential is what belongs to a customer or to unpublished business: balances, dates, identifiers in the form in which reports carry them.
	Confidential InformationSecurityClassification = "Confidential"
	// Proprietary is of the bank's own making: codes, names, system identifiers, row metadata.
	Proprietary InformationSecurityClassification = "Proprietary"
	// Public is what anyone may know: as-of dates, published identifiers, states, codes defined by public instructions.
	Public InformationSecurityClassification = "Public"
)

// InformationSecurityClassifications lists every tier, the most protected first.
func InformationSecurityClassifications() []InformationSecurityClassification {
	return []InformationSecurityClassification{HRCI, Confidential, Proprietary, Public}
}

// Protects reports whether c protects an element more than other does.
func (c InformationSecurityClassification) Protects(other InformationSecurityClassification) bool {
	return c.rank() > other.rank()
}

func (c InformationSecurityClassification) rank() int {
	switch c {
	case HRCI:
		return 4
	case Confidential:
		return 3
	case Proprietary:
		return 2
	case Public:
		return 1
	default:
		return 0
	}
}

// Level is a grade of criticality or of risk.
type Level string

// The levels, from the highest to the lowest.
const (
	High   Level = "High"
	Medium Level = "Medium"
	Low    Level = "Low"
)

// Levels lists every level, the highest first.
func Levels() []Level { return []Level{High, Medium, Low} }

// Above reports whether l is a higher level than other.
func (l Level) Above(other Level) bool { return l.rank() > other.rank() }

func (l Level) rank() int {
	switch l {
	case High:
		return 3
	case Medium:
		return 2
	case Low:
		return 1
	default:
		return 0
	}
}

// Classification is the answer to the five questions asked of every mapping.
type Classification struct {
	InformationSecurityClassification InformationSecurityClassification
	// Criticality says how much a wrong value hurts the report that the element feeds.
	Criticality Level
	// RiskLevel is the worse of two: what a leak costs, and what an error costs the report.
	RiskLevel Level
	// RegulatoryFlag says whether a regulation asks for the element or protects it.
	RegulatoryFlag bool
	// PIIFlag says whether the element identifies or describes a natural person.
	PIIFlag bool
}

package schema

import (
	"time"

	"github.com/uptrace/bun"
)

// MappingType says how the source column feeds the attribute.
type MappingType string

// The mapping types.
const (
	// Direct takes the column as it is.
	Direct MappingType = "direct"
	// Calculated computes the attribute from the column.
	Calculated MappingType = "calculated"
	// Lookup translates the column by a lookup table.
	Lookup MappingType = "lookup"
	// Conditional takes the column under a condition.
	Conditional MappingType = "conditional"
)

// MappingTypes lists every mapping type.
func MappingTypes() []MappingType { return []MappingType{Direct, Calculated, Lookup, Conditional} }

// ReviewStatus says what a manager has decided about a mapping.
type ReviewStatus string

// The review statuses.
const (
	// ReviewPending waits for a manager.
	ReviewPending ReviewStatus = "pending"
	// Approved is accepted as it stands.
	Approved ReviewStatus = "approved"
	// Rejected is wrong.
	Rejected ReviewStatus = "rejected"
	// NeedsRevision goes back to a tester.
	NeedsRevision ReviewStatus = "needs_revision"
)

// ReviewStatuses lists every review status.
func ReviewStatuses() []ReviewStatus {
	return []ReviewStatus{ReviewPending, Approved, Rejected, NeedsRevision}
}

// Alternative is a column that was considered for a mapping and not chosen.
type Alternative struct {
	SourceField string `json:"source_field"`
	// Score is 0 to 100, on the scale of the mapping's confidence.
	Score  int    `json:"score"`
	Reason string `json:"reason"`
}

// Mapping says which physical data element feeds an attribute, and what kind of information it is. Pointers are nil where nothing has
// been said yet; an empty source field after a job says that nothing fits.
type Mapping struct {
	bun.BaseModel `bun:"table:pde_mappings,alias:m"`

	ID                     string        `bun:"id,pk"`
	CycleID                string        `bun:"cycle_id"`
	ReportID               string        `bun:"report_id"`
	AttributeID            string        `bun:"attribute_id"`
	DataSourceID           string        `bun:"data_source_id,nullzero"`
	PDEName                string        `bun:"pde_name,nullzero"`
	PDECode                string        `bun:"pde_code,nullzero"`
	PDEDescription         string        `bun:"pde_description,nullzero"`
	SourceField            string        `bun:"source_field,nullzero"`
	MappingType            MappingType   `bun:"mapping_type,nullzero"`
	TransformationRule     string        `bun:"transformation_rule,nullzero"`
	BusinessProcess        string        `bun:"business_process,nullzero"`
	BusinessOwner          string        `bun:"business_owner,nullzero"`
	DataSteward            string        `bun:"data_steward,nullzero"`
	MappingConfirmedByUser bool          `bun:"mapping_confirmed_by_user"`
	ConfidenceScore        *int          `bun:"confidence_score"`
	MappingRationale       string        `bun:"mapping_rationale,nullzero"`
	AlternativeMappings    []Alternative `bun:"alternative_mappings,type:jsonb"`

	InformationSecurityClassification InformationSecurityClassification `bun:"information_security_classification,nullzero"`
	Criticality                       Level                             `bun:"criticality,nullzero"`
	RiskLevel                         Level                             `bun:"risk_level,nullzero"`
	RegulatoryFlag                    *bool                             `bun:"regulatory_flag"`
	PIIFlag                           *bool                             `bun:"pii_flag"`
	ClassificationConfidence          *int                              `bun:"classification_confidence"`
	ClassificationRationale           string                            `bun:"classification_rationale,nullzero"`
	RegulatoryReferences              []string                          `bun:"regulatory_references,type:jsonb"`
	ClassifiedBy                      string                            `bun:"classified_by,nullzero"`

	SuggestedSourceField                       string                            `bun:"suggested_source_field,nullzero"`
	SuggestedInformationSecurityClassification InformationSecurityClassification `bun:"suggested_information_security_classification,nullzero"`
	SuggestedCriticality                       Level                             `bun:"suggested_criticality,nullzero"`
	SuggestedRiskLevel                         Level                             `bun:"suggested_risk_level,nullzero"`
	SuggestedRegulatoryFlag                    *bool                             `bun:"suggested_regulatory_flag"`
	SuggestedPIIFlag                           *bool                             `bun:"suggested_pii_flag"`

	ReviewStatus ReviewStatus `bun:"review_status"`
	ReviewedBy   string       `bun:"reviewed_by,nullzero"`
	ReviewedAt   time.Time    `bun:"reviewed_at,nullzero"`

	// Version grows with every write of the row and guards the next one.
	Version   int64     `bun:"version"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

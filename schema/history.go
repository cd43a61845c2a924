package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// History is one change of a mapping by a job, a person or an import. Rows are never changed or deleted.
type History struct {
	bun.BaseModel `bun:"table:classification_history,alias:h"`

	ID        string          `bun:"id,pk"`
	MappingID string          `bun:"mapping_id"`
	JobID     string          `bun:"job_id,nullzero"`
	ChangedAt time.Time       `bun:"changed_at"`
	ChangedBy string          `bun:"changed_by"`
	Before    json.RawMessage `bun:"before,type:jsonb"`
	After     json.RawMessage `bun:"after,type:jsonb"`
	Comment   string          `bun:"comment,nullzero"`
	CreatedAt time.Time       `bun:"created_at"`
	CreatedBy string          `bun:"created_by"`
	UpdatedAt time.Time       `bun:"updated_at"`
	UpdatedBy string          `bun:"updated_by"`
}

// Image holds the values of a mapping that the history records: those that a job, a person or an import
// decides. A field without a value is null.
type Image struct {
	DataSourceID           *string       `json:"data_source_id"`
	PDEName                *string       `json:"pde_name"`
	PDECode                *string       `json:"pde_code"`
	PDEDescription         *string       `json:"pde_description"`
	SourceField            *string       `json:"source_field"`
	MappingType            *string       `json:"mapping_type"`
	TransformationRule     *string       `json:"transformation_rule"`
	BusinessProcess        *string       `json:"business_process"`
	BusinessOwner          *string       `json:"business_owner"`
	DataSteward            *string       `json:"data_steward"`
	MappingConfirmedByUser bool          `json:"mapping_confirmed_by_user"`
	ConfidenceScore        *int          `json:"confidence_score"`
	MappingRationale       *string       `json:"mapping_rationale"`
	AlternativeMappings    []Alternative `json:"alternative_mappings"`

	InformationSecurityClassification *string  `json:"information_security_classification"`
	Criticality                       *string  `json:"criticality"`
	RiskLevel                         *string  `json:"risk_level"`
	RegulatoryFlag                    *bool    `json:"regulatory_flag"`
	PIIFlag                           *bool    `json:"pii_flag"`
	ClassificationConfidence          *int     `json:"classification_confidence"`
	ClassificationRationale           *string  `json:"classification_rationale"`
	RegulatoryReferences              []string `json:"regulatory_references"`
	ClassifiedBy                      *string  `json:"classified_by"`

	SuggestedSourceField                       *string `json:"suggested_source_field"`
	SuggestedInformationSecurityClassification *string `json:"suggested_information_security_classification"`
	SuggestedCriticality                       *string `json:"suggested_criticality"`
	SuggestedRiskLevel                         *string `json:"suggested_risk_level"`
	SuggestedRegulatoryFlag                    *bool   `json:"suggested_regulatory_flag"`
	SuggestedPIIFlag                           *bool   `json:"suggested_pii_flag"`

	ReviewStatus string `json:"review_status"`
	Version      int64  `json:"version"`
}

// ListHistory returns at most limit changes of the mapping, the newest first. If beforeID is not empty, it
// returns only changes that are older than the one with this time and id.
func ListHistory(
	ctx context.Context, db bun.IDB, mappingID string, before time.Time, beforeID string, limit int,
) ([]History, error) {
	var changes []History
	query := db.NewSelect().Model(&changes).Where("mapping_id = ?", mappingID).OrderExpr("changed_at desc, id desc").
		Limit(int64(limit))
	if beforeID != "" {
		query = query.Where("(changed_at, id) < (?, ?)", before, beforeID)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("history of mapping %s: %w", mappingID, err)
	}
	return changes, nil
}

package schema

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// MappingType says how the source column feeds the attribute.
type MappingType string

// The mapping types.
const (
	// MappingTypeDirect takes the column as it is.
	MappingTypeDirect MappingType = "direct"
	// MappingTypeCalculated computes the attribute from the column.
	MappingTypeCalculated MappingType = "calculated"
	// MappingTypeLookup translates the column by a lookup table.
	MappingTypeLookup MappingType = "lookup"
	// MappingTypeConditional takes the column under a condition.
	MappingTypeConditional MappingType = "conditional"
)

// MappingTypes lists every mapping type.
func MappingTypes() []MappingType {
	return []MappingType{MappingTypeDirect, MappingTypeCalculated, MappingTypeLookup, MappingTypeConditional}
}

// ReviewStatus says what a manager has decided about a mapping.
type ReviewStatus string

// The review statuses.
const (
	// ReviewStatusPending waits for a manager.
	ReviewStatusPending ReviewStatus = "pending"
	// ReviewStatusApproved is accepted as it stands.
	ReviewStatusApproved ReviewStatus = "approved"
	// ReviewStatusRejected is wrong.
	ReviewStatusRejected ReviewStatus = "rejected"
	// ReviewStatusNeedsRevision goes back to a tester.
	ReviewStatusNeedsRevision ReviewStatus = "needs_revision"
)

// ReviewStatuses lists every review status.
func ReviewStatuses() []ReviewStatus {
	return []ReviewStatus{ReviewStatusPending, ReviewStatusApproved, ReviewStatusRejected, ReviewStatusNeedsRevision}
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
	DataSourceID           string        `bun:"data_source_id,nullzero" column:"job,import,decision"`
	PDEName                string        `bun:"pde_name,nullzero" column:"job,import"`
	PDECode                string        `bun:"pde_code,nullzero" column:"job,import"`
	PDEDescription         string        `bun:"pde_description,nullzero" column:"job,import"`
	SourceField            string        `bun:"source_field,nullzero" column:"job,import,decision"`
	MappingType            MappingType   `bun:"mapping_type,nullzero" column:"job,import,decision"`
	TransformationRule     string        `bun:"transformation_rule,nullzero" column:"job,import,decision"`
	BusinessProcess        string        `bun:"business_process,nullzero" column:"import"`
	BusinessOwner          string        `bun:"business_owner,nullzero" column:"import"`
	DataSteward            string        `bun:"data_steward,nullzero" column:"import"`
	MappingConfirmedByUser bool          `bun:"mapping_confirmed_by_user" column:"import"`
	ConfidenceScore        *int          `bun:"confidence_score" column:"job"`
	MappingRationale       string        `bun:"mapping_rationale,nullzero" column:"job"`
	AlternativeMappings    []Alternative `bun:"alternative_mappings,type:jsonb" column:"job"`

	InformationSecurityClassification Tier     `bun:"information_security_classification,nullzero" column:"job,decision"`
	Criticality                       Level    `bun:"criticality,nullzero" column:"job,decision"`
	RiskLevel                         Level    `bun:"risk_level,nullzero" column:"job,decision"`
	RegulatoryFlag                    *bool    `bun:"regulatory_flag" column:"job,decision"`
	PIIFlag                           *bool    `bun:"pii_flag" column:"job,decision"`
	ClassificationConfidence          *int     `bun:"classification_confidence" column:"job"`
	ClassificationRationale           string   `bun:"classification_rationale,nullzero" column:"job"`
	RegulatoryReferences              []string `bun:"regulatory_references,type:jsonb" column:"job"`
	ClassifiedBy                      string   `bun:"classified_by,nullzero" column:"job"`

	SuggestedSourceField                       string `bun:"suggested_source_field,nullzero" column:"job"`
	SuggestedInformationSecurityClassification Tier   `bun:"suggested_information_security_classification,nullzero" column:"job"`
	SuggestedCriticality                       Level  `bun:"suggested_criticality,nullzero" column:"job"`
	SuggestedRiskLevel                         Level  `bun:"suggested_risk_level,nullzero" column:"job"`
	SuggestedRegulatoryFlag                    *bool  `bun:"suggested_regulatory_flag" column:"job"`
	SuggestedPIIFlag                           *bool  `bun:"suggested_pii_flag" column:"job"`

	ReviewStatus ReviewStatus `bun:"review_status" column:"job"`
	ReviewedBy   string       `bun:"reviewed_by,nullzero" column:"job"`
	ReviewedAt   time.Time    `bun:"reviewed_at,nullzero" column:"job"`

	// Version grows with every write of the row and guards the next one.
	Version   int64     `bun:"version"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// MappingSort names what a list of mappings is sorted by.
type MappingSort string

// The sorts. Each goes from the first to the last; mappings that are equal in it, or say nothing of it, are in the order of their ids.
const (
	// MappingSortID is the order in which the attributes came.
	MappingSortID MappingSort = "id"
	// MappingSortAttributeName is alphabetical, without regard to case.
	MappingSortAttributeName MappingSort = "attribute_name"
	// MappingSortSourceField is alphabetical; what is unmapped comes first.
	MappingSortSourceField MappingSort = "source_field"
	// MappingSortConfidence begins with the lowest, and with what has none.
	MappingSortConfidence MappingSort = "confidence_score"
	// MappingSortClassificationConfidence begins with the lowest, and with what has none.
	MappingSortClassificationConfidence MappingSort = "classification_confidence"
	// MappingSortClassification begins with the least protected, and with what is not classified.
	MappingSortClassification MappingSort = "information_security_classification"
	// MappingSortCriticality begins with the least critical, and with what is not classified.
	MappingSortCriticality MappingSort = "criticality"
	// MappingSortReviewStatus is in the order of [ReviewStatuses].
	MappingSortReviewStatus MappingSort = "review_status"
	// MappingSortUpdatedAt begins with what has not changed for the longest time.
	MappingSortUpdatedAt MappingSort = "updated_at"
)

// MappingSorts lists every sort.
func MappingSorts() []MappingSort {
	return []MappingSort{
		MappingSortID, MappingSortAttributeName, MappingSortSourceField, MappingSortConfidence, MappingSortClassificationConfidence, MappingSortClassification,
		MappingSortCriticality, MappingSortReviewStatus, MappingSortUpdatedAt,
	}
}

// Accepts reports whether the text can be the key of a mapping in a list of this sort.
func (s MappingSort) Accepts(key string) bool {
	if _, as := s.key(); as == "text" {
		return true
	}
	_, err := strconv.ParseInt(key, 10, 32)
	if s == MappingSortUpdatedAt {
		_, err = strconv.ParseInt(key, 10, 64)
	}
	return err == nil
}

// key is an expression that is never null, and the type in which its values are compared. A text is cut to what a cursor has room for;
// what is equal up to there is in the order of the ids.
func (s MappingSort) key() (expr, as string) {
	switch s {
	case MappingSortAttributeName:
		return `left(lower(a.attribute_name), 200) collate "C"`, "text"
	case MappingSortSourceField:
		return `left(coalesce(m.source_field, ''), 200) collate "C"`, "text"
	case MappingSortConfidence:
		return "coalesce(m.confidence_score, -1)::integer", "integer"
	case MappingSortClassificationConfidence:
		return "coalesce(m.classification_confidence, -1)::integer", "integer"
	case MappingSortClassification:
		return "coalesce(array_position('{Public,Proprietary,Confidential,HRCI}', m.information_security_classification), 0)", "integer"
	case MappingSortCriticality:
		return "coalesce(array_position('{Low,Medium,High}', m.criticality), 0)", "integer"
	case MappingSortReviewStatus:
		return "array_position('{pending,approved,rejected,needs_revision}', m.review_status)", "integer"
	case MappingSortUpdatedAt:
		return "m.updated_at", "timestamptz"
	case MappingSortID:
		return "m.id", "text"
	default:
		return "m.id", "text"
	}
}

// shown is the key as a list returns it, and bound the expression for a key that a list has returned. A time is a number of microseconds,
// which does not depend on the notation of the session.
func (s MappingSort) shown() (key, bound string) {
	expr, as := s.key()
	if s == MappingSortUpdatedAt {
		return "(extract(epoch from " + expr + ") * 1000000)::bigint::text", "timestamptz 'epoch' + ?::bigint * interval '1 microsecond'"
	}
	return "(" + expr + ")::text", "?::" + as
}

// id orders what is equal in the sort. Names are indexed with the attributes, whose ids are in the order of those of their mappings.
func (s MappingSort) id() string {
	if s == MappingSortAttributeName {
		return "a.id"
	}
	return "m.id"
}

// MappingFilter says which mappings of a report are asked for; what is empty or nil does not matter.
type MappingFilter struct {
	CycleID, ReportID string
	// Search is looked for, without regard to case as the database's locale knows it, in the names of attribute and element, the source field and the line item's number,
	// technical name and MDRM code.
	Search                            string
	InformationSecurityClassification Tier
	Criticality                       Level
	ReviewStatus                      ReviewStatus
	// Unmapped asks for those without a source field, or else for those with one.
	Unmapped *bool
	// MinConfidence and MaxConfidence bound the confidence score; what has none is outside.
	MinConfidence, MaxConfidence *int
	Sort                         MappingSort
	Descending                   bool
	// IDPrefix is what the ids begin with.
	IDPrefix string
}

// ListedMapping is a mapping with what a list needs beside it.
type ListedMapping struct {
	bun.BaseModel `bun:"table:pde_mappings,alias:m"`

	Mapping
	AttributeName string `bun:"attribute_name,scanonly"`
	// SortKey is what the mapping was sorted by, and SortID the order of mappings that are equal in it. A page continues behind them.
	SortKey string `bun:"sort_key,scanonly"`
	SortID  string `bun:"sort_id,scanonly"`
}

// ListMappings lists at most limit mappings behind the one with this sort key and sort id, from the start where the id is empty.
func ListMappings(ctx context.Context, db bun.IDB, filter MappingFilter, afterKey, afterID string, limit int) ([]ListedMapping, error) {
	filter.Sort = cmp.Or(filter.Sort, MappingSortID)
	mappings, err := listMappings(ctx, db, filter, afterKey, afterID, limit)
	if err != nil {
		return nil, fmt.Errorf("mappings of report %s: %w", filter.ReportID, err)
	}
	return mappings, nil
}

func listMappings(ctx context.Context, db bun.IDB, f MappingFilter, afterKey, afterID string, limit int) (page []ListedMapping, err error) {
	page, complete, err := f.inOrder(ctx, db, afterKey, afterID, limit)
	if err != nil || complete {
		return page, err
	}
	page = nil
	query := f.candidates(selectMappings(db, &page, f.Sort, joinAttributes))
	query = f.matching(f.page(query, afterKey, afterID, limit))
	err = query.Scan(ctx)
	return page, err
}

// page narrows the query to the mappings that pass the filter, apart from the search, and that follow the one with this key and id.
func (f MappingFilter) page(query *bun.SelectQuery, afterKey, afterID string, limit int) *bun.SelectQuery {
	query = query.Where("m.cycle_id = ? and m.report_id = ?", f.CycleID, f.ReportID)
	if f.Sort == MappingSortAttributeName {
		query = query.Where("a.cycle_id = ? and a.report_id = ?", f.CycleID, f.ReportID)
	}
	if afterID != "" {
		expr, _ := f.Sort.key()
		_, bound := f.Sort.shown()
		behind := ">"
		if f.Descending {
			behind = "<"
		}
		query = query.Where("("+expr+", "+f.Sort.id()+") "+behind+" ("+bound+", ?)", afterKey, afterID)
	}
	return f.order(f.where(query)).Limit(int64(limit))
}

func (f MappingFilter) order(query *bun.SelectQuery) *bun.SelectQuery {
	expr, _ := f.Sort.key()
	direction := " asc"
	if f.Descending {
		direction = " desc"
	}
	return query.OrderExpr(expr + direction + ", " + f.Sort.id() + direction)
}

// GetMapping reads one mapping of the report. It returns [ErrNotFound] where the report has no such mapping.
func GetMapping(ctx context.Context, db bun.IDB, cycleID, reportID, id string) (ListedMapping, error) {
	var mapping ListedMapping
	err := selectMappings(db, &mapping, MappingSortID, joinAttributes).
		Where("m.id = ? and m.cycle_id = ? and m.report_id = ?", id, cycleID, reportID).Scan(ctx)
	if err != nil {
		return mapping, notFound(err, "mapping "+id)
	}
	return mapping, nil
}

const (
	joinAttributes = "join attributes a on a.id = m.attribute_id"
	// attributeOfEach reads each attribute by its key, whatever the statistics: a subquery with an offset is not turned into a join.
	attributeOfEach = "cross join lateral (select * from attributes where id = m.attribute_id offset 0) as a"
)

func selectMappings(db bun.IDB, into any, sort MappingSort, join string) *bun.SelectQuery {
	key, _ := sort.shown()
	return db.NewSelect().Model(into).ColumnExpr("m.*, a.attribute_name").ColumnExpr(key + " as sort_key, " + sort.id() + " as sort_id").
		Join(join)
}

func (f MappingFilter) where(query *bun.SelectQuery) *bun.SelectQuery {
	if f.IDPrefix != "" {
		query = query.Where("m.id between ? and ?", f.IDPrefix, lastWithPrefix(f.IDPrefix))
	}
	if f.filtersFacets() {
		var numbers []int
		for _, facet := range f.facets() {
			numbers = append(numbers, facet.number())
		}
		query = query.Where(facetOfMapping+" = any(?)", pgdialect.Array(numbers))
	}
	if f.filtersConfidence() {
		confidence, _ := MappingSortConfidence.key()
		low, high := f.confidences()
		query = query.Where(confidence+" between ? and ?", low, high)
	}
	return query
}

package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// MappingType is how the attribute is derived from the source column.
type MappingType string

const (
	// MappingTypeDirect copies the column.
	MappingTypeDirect MappingType = "direct"
	// MappingTypeCalculated computes the attribute from the columns.
	MappingTypeCalculated MappingType = "calculated"
	// MappingTypeLookup translates the column by a lookup table or a list of codes.
	MappingTypeLookup MappingType = "lookup"
	// MappingTypeConditional copies the column, or one of several, under a condition.
	MappingTypeConditional MappingType = "conditional"
)

// MappingTypes returns all mapping types.
func MappingTypes() []MappingType {
	return []MappingType{MappingTypeDirect, MappingTypeCalculated, MappingTypeLookup, MappingTypeConditional}
}

// ReviewStatus is the decision of a manager about a mapping.
type ReviewStatus string

const (
	// ReviewStatusPending means that no manager has decided.
	ReviewStatusPending ReviewStatus = "pending"
	// ReviewStatusApproved means that the mapping is correct.
	ReviewStatusApproved ReviewStatus = "approved"
	// ReviewStatusRejected means that the mapping is wrong.
	ReviewStatusRejected ReviewStatus = "rejected"
	// ReviewStatusNeedsRevision means that a tester must revise the mapping.
	ReviewStatusNeedsRevision ReviewStatus = "needs_revision"
)

// ReviewStatuses returns all review statuses.
func ReviewStatuses() []ReviewStatus {
	return []ReviewStatus{ReviewStatusPending, ReviewStatusApproved, ReviewStatusRejected, ReviewStatusNeedsRevision}
}

// Alternative is a column that was considered for a mapping and not chosen.
type Alternative struct {
	SourceField string `json:"source_field"`
	// Score is 0 to 100, on the scale of ConfidenceScore.
	Score  int    `json:"score"`
	Reason string `json:"reason"`
}

// Mapping is the physical data element that an attribute is taken from, with its classification. A nil pointer
// means that there is no value yet. If SourceField is empty after a job, the job found no column that fits.
type Mapping struct {
	bun.BaseModel `bun:"table:pde_mappings,alias:m"`

	ID             string `bun:"id,pk"`
	CycleID        string `bun:"cycle_id"`
	ReportID       string `bun:"report_id"`
	AttributeID    string `bun:"attribute_id"`
	DataSourceID   string `bun:"data_source_id,nullzero" column:"job,import,decision"`
	PDEName        string `bun:"pde_name,nullzero" column:"job,import"`
	PDECode        string `bun:"pde_code,nullzero" column:"job,import"`
	PDEDescription string `bun:"pde_description,nullzero" column:"job,import"`
	SourceField    string `bun:"source_field,nullzero" column:"job,import,decision"`
	// SourceFields has all source columns, beginning with SourceField, if the mapping is made of several. It is nil
	// otherwise; see [Mapping.AllSourceFields].
	SourceFields           SourceFields  `bun:"source_fields,type:jsonb,nullzero" column:"job,import,decision"`
	MappingType            MappingType   `bun:"mapping_type,nullzero" column:"job,import,decision"`
	TransformationRule     string        `bun:"transformation_rule,nullzero" column:"job,import,decision"`
	BusinessProcess        string        `bun:"business_process,nullzero" column:"import"`
	BusinessOwner          string        `bun:"business_owner,nullzero" column:"import"`
	DataSteward            string        `bun:"data_steward,nullzero" column:"import"`
	MappingConfirmedByUser bool          `bun:"mapping_confirmed_by_user" column:"import"`
	ConfidenceScore        *int          `bun:"confidence_score" column:"job"`
	MappingRationale       string        `bun:"mapping_rationale,nullzero" column:"job"`
	AlternativeMappings    []Alternative `bun:"alternative_mappings,type:jsonb" column:"job"`

	InformationSecurityClassification Tier `bun:"information_security_classification,nullzero" column:"job,decision,classification"`

	Criticality              Level    `bun:"criticality,nullzero" column:"job,decision,classification"`
	RiskLevel                Level    `bun:"risk_level,nullzero" column:"job,decision,classification"`
	RegulatoryFlag           *bool    `bun:"regulatory_flag" column:"job,decision,classification"`
	PIIFlag                  *bool    `bun:"pii_flag" column:"job,decision,classification"`
	ClassificationConfidence *int     `bun:"classification_confidence" column:"job"`
	ClassificationRationale  string   `bun:"classification_rationale,nullzero" column:"job"`
	RegulatoryReferences     []string `bun:"regulatory_references,type:jsonb" column:"job"`
	ClassifiedBy             string   `bun:"classified_by,nullzero" column:"job"`

	SuggestedSourceField                       string `bun:"suggested_source_field,nullzero" column:"job"`
	SuggestedInformationSecurityClassification Tier   `bun:"suggested_information_security_classification,nullzero" column:"job"`
	SuggestedCriticality                       Level  `bun:"suggested_criticality,nullzero" column:"job"`
	SuggestedRiskLevel                         Level  `bun:"suggested_risk_level,nullzero" column:"job"`
	SuggestedRegulatoryFlag                    *bool  `bun:"suggested_regulatory_flag" column:"job"`
	SuggestedPIIFlag                           *bool  `bun:"suggested_pii_flag" column:"job"`

	ReviewStatus ReviewStatus `bun:"review_status" column:"job"`
	ReviewedBy   string       `bun:"reviewed_by,nullzero" column:"job"`
	ReviewedAt   time.Time    `bun:"reviewed_at,nullzero" column:"job"`

	// CarriedFrom is the cycle from which the mapping was carried over. It is empty if its decision has changed
	// since; see [Mapping.ResetReview].
	CarriedFrom string `bun:"carried_from,nullzero" column:"job"`
	// InputHash is the digest of everything that the last job's result depends on. It is empty if no job has set
	// it, or if a person or an import has changed the result since.
	InputHash string `bun:"input_hash,nullzero" column:"job"`
	// Version grows with every write of the row. A write only succeeds if the row still has the version that
	// was read.
	Version   int64     `bun:"version"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// ResetReview returns the mapping to the state before a review, because its decision has changed. The decision is
// no longer that of an earlier cycle.
func (m *Mapping) ResetReview() {
	m.ReviewStatus, m.ReviewedBy, m.ReviewedAt = ReviewStatusPending, "", time.Time{}
	m.CarriedFrom = ""
}

// dropColumn removes the main column of the mapping, which its data source does not have any more, and the others with
// it. The mapping is no longer confirmed, so that a job may choose another column.
func (m *Mapping) dropColumn(rationale string) {
	m.setSourceFields(nil)
	m.DataSourceID, m.MappingType, m.TransformationRule, m.MappingConfirmedByUser = "", "", "", false
	if m.ConfidenceScore != nil {
		m.ConfidenceScore, m.MappingRationale = new(int), rationale
	}
}

// MappingSort is the order of a list of mappings.
type MappingSort string

// The sorts are in ascending order. Mappings with the same sort key are in the order of their ids.
const (
	// MappingSortID is the order in which the attributes were imported.
	MappingSortID MappingSort = "id"
	// MappingSortAttributeName is alphabetical and ignores case.
	MappingSortAttributeName MappingSort = "attribute_name"
	// MappingSortSourceField is alphabetical, with unmapped attributes first.
	MappingSortSourceField MappingSort = "source_field"
	// MappingSortConfidence is from low to high, with mappings without a score first.
	MappingSortConfidence MappingSort = "confidence_score"
	// MappingSortClassificationConfidence is from low to high, with mappings without a score first.
	MappingSortClassificationConfidence MappingSort = "classification_confidence"
	// MappingSortClassification is from Public to HRCI, with unclassified mappings first.
	MappingSortClassification MappingSort = "information_security_classification"
	// MappingSortCriticality is from low to high, with unclassified mappings first.
	MappingSortCriticality MappingSort = "criticality"
	// MappingSortReviewStatus is the order of [ReviewStatuses].
	MappingSortReviewStatus MappingSort = "review_status"
	// MappingSortUpdatedAt is from the least to the most recently updated.
	MappingSortUpdatedAt MappingSort = "updated_at"
)

// MappingSorts returns all sorts.
func MappingSorts() []MappingSort {
	return []MappingSort{
		MappingSortID, MappingSortAttributeName, MappingSortSourceField, MappingSortConfidence,
		MappingSortClassificationConfidence, MappingSortClassification,
		MappingSortCriticality, MappingSortReviewStatus, MappingSortUpdatedAt,
	}
}

// Accepts reports whether the text can be a sort key of a list in this order.
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

// key returns the SQL expression of the sort key, which is never null, and its type. A text is cut to the
// length that fits a cursor; mappings whose keys are equal up to there are in the order of their ids.
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
		return "coalesce(array_position('{Public,Proprietary,Confidential,HRCI}', " +
			"m.information_security_classification), 0)", "integer"
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

// shown returns the expression of the key that a list returns, and bound the expression that converts such a
// key back. A time is a number of microseconds, because that does not depend on the settings of the session.
func (s MappingSort) shown() (key, bound string) {
	expr, as := s.key()
	if s == MappingSortUpdatedAt {
		return "(extract(epoch from " + expr + ") * 1000000)::bigint::text",
			"timestamptz 'epoch' + ?::bigint * interval '1 microsecond'"
	}
	return "(" + expr + ")::text", "?::" + as
}

// row returns the alias of the row that has the sort key: a for the attribute, m for the mapping.
func (s MappingSort) row() string {
	if s == MappingSortAttributeName {
		return "a"
	}
	return "m"
}

// id returns the column that orders mappings with the same key. Names are indexed with the ids of attributes,
// which have the same order as those of their mappings.
func (s MappingSort) id() string { return s.row() + ".id" }

// MappingFilter selects and sorts the mappings of a report. An empty or nil field selects all.
type MappingFilter struct {
	CycleID, ReportID string
	// Search selects mappings that contain the text in the name of the attribute or the element, the source
	// field, or the line item's number, technical name or MDRM code. It ignores case in the locale of the
	// database.
	Search                            string
	InformationSecurityClassification Tier
	Criticality                       Level
	ReviewStatus                      ReviewStatus
	// Unmapped selects the mappings without a source field if it is true, and those with one if it is false.
	Unmapped *bool
	// MinConfidence and MaxConfidence bound the confidence score, inclusively. Mappings without a score do not
	// pass.
	MinConfidence, MaxConfidence *int
	Sort                         MappingSort
	Descending                   bool
	// IDPrefix is the beginning of the ids.
	IDPrefix string
}

// following narrows the query to the mappings of the report that follow the position.
func (f MappingFilter) following(query *bun.SelectQuery, after MappingPosition) *bun.SelectQuery {
	row := f.Sort.row()
	query = query.Where(row+".cycle_id = ? and "+row+".report_id = ?", f.CycleID, f.ReportID)
	if after.ID != "" {
		expr, _ := f.Sort.key()
		_, bound := f.Sort.shown()
		beyond := ">"
		if f.Descending {
			beyond = "<"
		}
		query = query.Where("("+expr+", "+f.Sort.id()+") "+beyond+" ("+bound+", ?)", after.Key, after.ID)
	}
	return query
}

func (f MappingFilter) order(query *bun.SelectQuery) *bun.SelectQuery {
	expr, _ := f.Sort.key()
	direction := " asc"
	if f.Descending {
		direction = " desc"
	}
	return query.OrderExpr(expr + direction + ", " + f.Sort.id() + direction)
}

// GetMapping reads one mapping of the report. It returns [ErrNotFound] if the report has no such mapping.
func GetMapping(ctx context.Context, db bun.IDB, cycleID, reportID, id string) (ListedMapping, error) {
	var mapping ListedMapping
	err := selectMappings(db, &mapping, MappingSortID).Join(joinAttributes).
		Where("m.id = ? and m.cycle_id = ? and m.report_id = ?", id, cycleID, reportID).Scan(ctx)
	if err != nil {
		return mapping, notFound(err, "mapping "+id)
	}
	return mapping, nil
}

// FindMapping reads the mapping with this id, or the only one whose id begins so, in any report. It returns
// [ErrNotFound] if there is none.
func FindMapping(ctx context.Context, db bun.IDB, prefix string) (Mapping, error) {
	var found []Mapping
	err := db.NewSelect().Model(&found).Where("id between ? and ?", prefix, lastWithPrefix(prefix)).Order("id").
		Limit(2).Scan(ctx)
	switch {
	case err != nil:
		return Mapping{}, fmt.Errorf("mapping %s: %w", prefix, err)
	case len(found) == 0:
		return Mapping{}, fmt.Errorf("mapping %s: %w", prefix, ErrNotFound)
	case len(found) > 1 && found[0].ID != prefix:
		return Mapping{}, fmt.Errorf("the ids of several mappings begin with %s", prefix)
	}
	return found[0], nil
}

// GetLastChange returns when a mapping of the report was last changed; the zero time if there is none.
func GetLastChange(ctx context.Context, db bun.IDB, cycleID, reportID string) (at time.Time, err error) {
	err = db.NewRaw(`select updated_at from pde_mappings where cycle_id = ? and report_id = ?
		order by updated_at desc limit 1`, cycleID, reportID).Scan(ctx, &at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return at, fmt.Errorf("last change of report %s: %w", reportID, err)
	}
	return at, nil
}

// ListAttributeNames returns the names of the attributes of these mappings, by the ids of the mappings. It omits ids
// that do not exist.
func ListAttributeNames(ctx context.Context, db bun.IDB, mappingIDs []string) (map[string]string, error) {
	var rows []struct {
		ID            string `bun:"id"`
		AttributeName string `bun:"attribute_name"`
	}
	err := db.NewSelect().TableExpr("pde_mappings as m").Column("m.id", "a.attribute_name").Join(joinAttributes).
		Where("m.id = any(?)", pgdialect.Array(mappingIDs)).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("attributes of %d mappings: %w", len(mappingIDs), err)
	}
	names := make(map[string]string, len(rows))
	for _, row := range rows {
		names[row.ID] = row.AttributeName
	}
	return names, nil
}

const (
	joinAttributes = "join attributes a on a.id = m.attribute_id"
	// attributeOfEach makes Postgres read each attribute by its key, whatever the statistics: a subquery with
	// an offset is not turned into a join.
	attributeOfEach = "cross join lateral (select * from attributes where id = m.attribute_id offset 0) as a"
)

// selectMappings selects mappings m with attributes a. The caller joins them.
func selectMappings(db bun.IDB, into any, sort MappingSort) *bun.SelectQuery {
	key, _ := sort.shown()
	return db.NewSelect().Model(into).ColumnExpr("m.*, a.attribute_name, a.line_item_number").
		ColumnExpr(key + " as sort_key, " + sort.id() + " as sort_id")
}

func (f MappingFilter) where(query *bun.SelectQuery) *bun.SelectQuery {
	if f.IDPrefix != "" {
		query = query.Where("m.id between ? and ?", f.IDPrefix, lastWithPrefix(f.IDPrefix))
	}
	if f.filtersFacets() {
		query = query.Where(facetOfMapping+" = any(?)", pgdialect.Array(numbers(f.facets())))
	}
	if f.filtersConfidence() {
		confidence, _ := MappingSortConfidence.key()
		low, high := f.confidences()
		query = query.Where(confidence+" between ? and ?", low, high)
	}
	return query
}

// CountUnmapped counts the report's mappings that have no source column.
func CountUnmapped(ctx context.Context, db bun.IDB, cycleID, reportID string) (n int64, err error) {
	err = db.NewRaw("select count(*) from pde_mappings where cycle_id = ? and report_id = ? and source_field is null",
		cycleID, reportID).Scan(ctx, &n)
	if err != nil {
		return 0, fmt.Errorf("unmapped mappings of report %s: %w", reportID, err)
	}
	return n, nil
}

// ListUnknownMappings returns the indexes of at most limit ids that are not mappings of the report.
func ListUnknownMappings(
	ctx context.Context, db bun.IDB, cycleID, reportID string, ids []string, limit int,
) (places []int, err error) {
	err = db.NewRaw(`select place - 1 from unnest(?::text[]) with ordinality as asked (id, place)
		where not exists (select from pde_mappings m where m.id = asked.id and m.cycle_id = ? and m.report_id = ?)
		order by place limit ?`, pgdialect.Array(ids), cycleID, reportID, limit).Scan(ctx, &places)
	if err != nil {
		return nil, fmt.Errorf("named mappings of report %s: %w", reportID, err)
	}
	return places, nil
}

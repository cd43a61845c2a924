package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/schema"
)

// Mapping assigns a physical data element to an attribute and classifies it. Values that are not set yet are null.
type Mapping struct {
	ID             string  `json:"id" doc:"The id of the mapping."`
	AttributeID    string  `json:"attribute_id" doc:"The id of the attribute."`
	AttributeName  string  `json:"attribute_name" doc:"The attribute of the report that the column feeds."`
	DataSourceID   *string `json:"data_source_id" doc:"The id of the data source of the column."`
	PDEName        *string `json:"pde_name" doc:"The name of the physical data element."`
	PDECode        *string `json:"pde_code" doc:"Its code."`
	PDEDescription *string `json:"pde_description" doc:"Its description."`
	// SourceField has double quotes around a name that contains a dot.
	SourceField *string `json:"source_field" doc:"The column as schema.table.column; null if unmapped."`
	// SourceFields has the main column also if it is the only one.
	SourceFields schema.SourceFields `json:"source_fields" nullable:"false" doc:"All columns of a mapping that is made of several, source_field first."`

	MappingType            *schema.MappingType `json:"mapping_type" enum:"direct,calculated,lookup,conditional" doc:"How the attribute follows from the column."`
	TransformationRule     *string             `json:"transformation_rule" doc:"The rule, unless the column is copied."`
	BusinessProcess        *string             `json:"business_process" doc:"The process that creates the data."`
	BusinessOwner          *string             `json:"business_owner" doc:"Who owns the data."`
	DataSteward            *string             `json:"data_steward" doc:"Who looks after the data."`
	MappingConfirmedByUser bool                `json:"mapping_confirmed_by_user" doc:"A person has confirmed the mapping; jobs do not overwrite it."`
	ConfidenceScore        *int                `json:"confidence_score" minimum:"0" maximum:"100" doc:"How certain the column is."`
	MappingRationale       *string             `json:"mapping_rationale" doc:"Why this column."`

	AlternativeMappings []schema.Alternative `json:"alternative_mappings" nullable:"false" doc:"The best one first."`

	InformationSecurityClassification *schema.Tier `json:"information_security_classification" enum:"HRCI,Confidential,Proprietary,Public" doc:"The tier, from HRCI, the strictest, to Public."`

	Criticality    *schema.Level `json:"criticality" enum:"High,Medium,Low" doc:"How much the report depends on it."`
	RiskLevel      *schema.Level `json:"risk_level" enum:"High,Medium,Low" doc:"The risk if it is wrong or leaks."`
	RegulatoryFlag *bool         `json:"regulatory_flag" doc:"Whether a regulation applies."`
	PIIFlag        *bool         `json:"pii_flag" doc:"Whether it is personal data."`

	ClassificationConfidence *int     `json:"classification_confidence" minimum:"0" maximum:"100" doc:"How certain the classification is."`
	ClassificationRationale  *string  `json:"classification_rationale" doc:"Why this classification."`
	RegulatoryReferences     []string `json:"regulatory_references" nullable:"false" doc:"The regulations that apply."`
	ClassifiedBy             *string  `json:"classified_by" doc:"rules@VERSION, llm:MODEL@VERSION, or a person."`

	// The suggestions of the classifier for values that a person has confirmed.
	SuggestedSourceField                       *string      `json:"suggested_source_field" doc:"What the last job suggests instead of the confirmed value."`
	SuggestedInformationSecurityClassification *schema.Tier `json:"suggested_information_security_classification" enum:"HRCI,Confidential,Proprietary,Public" doc:"What the last job suggests instead."`

	SuggestedCriticality *schema.Level `json:"suggested_criticality" enum:"High,Medium,Low" doc:"What the last job suggests instead."`
	SuggestedRiskLevel   *schema.Level `json:"suggested_risk_level" enum:"High,Medium,Low" doc:"What the last job suggests instead."`

	SuggestedRegulatoryFlag *bool `json:"suggested_regulatory_flag" doc:"What the last job suggests instead."`
	SuggestedPIIFlag        *bool `json:"suggested_pii_flag" doc:"What the last job suggests instead."`

	ReviewStatus schema.ReviewStatus `json:"review_status" enum:"pending,approved,rejected,needs_revision" doc:"The decision of a manager."`
	ReviewedBy   *string             `json:"reviewed_by" doc:"Who decided."`
	ReviewedAt   *time.Time          `json:"reviewed_at" doc:"When."`
	CarriedFrom  *string             `json:"carried_from" doc:"The cycle from which it was carried over; null if it was changed since."`

	Version   int64     `json:"version" doc:"Increases with every change."`
	CreatedAt time.Time `json:"created_at" doc:"When it was created."`
	CreatedBy string    `json:"created_by" doc:"By whom."`
	UpdatedAt time.Time `json:"updated_at" doc:"When it was changed last."`
	UpdatedBy string    `json:"updated_by" doc:"By whom; job:ID is a job."`
}

// HistoryEntry is one change of a mapping.
type HistoryEntry struct {
	ID        string       `json:"id"`
	MappingID string       `json:"mapping_id"`
	JobID     *string      `json:"job_id" doc:"Null for a change by a person."`
	ChangedAt time.Time    `json:"changed_at"`
	ChangedBy string       `json:"changed_by"`
	Before    schema.Image `json:"before"`
	After     schema.Image `json:"after"`
	Comment   *string      `json:"comment"`
}

// Optional is a query parameter whose absence differs from its zero value.
type Optional[T any] struct {
	value T
	set   bool
}

// Receiver implements [huma.ParamWrapper].
func (o *Optional[T]) Receiver() reflect.Value { return reflect.ValueOf(&o.value).Elem() }

// OnParamSet implements [huma.ParamReactor].
func (o *Optional[T]) OnParamSet(set bool, _ any) { o.set = set }

// Schema implements [huma.SchemaProvider].
func (o Optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// pointer returns the value, or nil if the parameter is absent.
func (o *Optional[T]) pointer() *T {
	if !o.set {
		return nil
	}
	return &o.value
}

// MappingQuery selects mappings of a report.
type MappingQuery struct {
	// Search looks in the names of the attribute and the data element, the column, and the line item.
	Search string `query:"q" maxLength:"200" doc:"A text in the names, the column or the line item."`

	InformationSecurityClassification schema.Tier `query:"information_security_classification" enum:"HRCI,Confidential,Proprietary,Public"`

	Criticality  schema.Level        `query:"criticality" enum:"High,Medium,Low"`
	ReviewStatus schema.ReviewStatus `query:"review_status" enum:"pending,approved,rejected,needs_revision"`

	Unmapped Optional[bool] `query:"unmapped" doc:"True: only mappings without a column; false: only with one."`

	IDPrefix string `query:"id_prefix" maxLength:"100" doc:"Only mappings whose id begins with this."`

	MinConfidence Optional[int] `query:"min_confidence" minimum:"0" maximum:"100" doc:"The minimum confidence score."`
	MaxConfidence Optional[int] `query:"max_confidence" minimum:"0" maximum:"100" doc:"The maximum confidence score."`

	// Sort is the name of a field, with a minus sign before it for the reverse order.
	Sort string `query:"sort" maxLength:"60" default:"id" doc:"The field to sort by; -FIELD reverses the order."`
}

// listFilter returns the filter as a body has it.
func (q *MappingQuery) listFilter() ListFilter {
	return ListFilter{
		Search: q.Search, InformationSecurityClassification: q.InformationSecurityClassification,
		Criticality: q.Criticality, ReviewStatus: q.ReviewStatus, IDPrefix: q.IDPrefix,
		Unmapped: q.Unmapped.pointer(), MinConfidence: q.MinConfidence.pointer(),
		MaxConfidence: q.MaxConfidence.pointer(),
	}
}

// filter returns the filter of the query. An error is a [Problem].
func (q *MappingQuery) filter(in ReportPath) (schema.MappingFilter, error) {
	filter, err := q.listFilter().filter(in, "query")
	if err != nil {
		return filter, err
	}
	name, descending := strings.CutPrefix(q.Sort, "-")
	filter.Descending = descending
	var names []string
	for _, sort := range schema.MappingSorts() {
		if string(sort) == name {
			filter.Sort = sort
			return filter, nil
		}
		names = append(names, string(sort))
	}
	return filter, newFieldProblem("query.sort",
		"must be one of "+strings.Join(names, ", ")+", or one of these with a minus sign before it")
}

// mappingOutput is a mapping with its version as the ETag.
type mappingOutput struct {
	ETag string `header:"ETag" doc:"The version of the mapping, for If-Match."`
	Body Mapping
}

// MappingPath is the path of a mapping of a report.
type MappingPath struct {
	ReportPath
	ID string `path:"id"`
}

// registerMappings registers the routes that read mappings.
func (s *Server) registerMappings() {
	path := reportPath + "/pde-mappings"
	route(s, Viewer, huma.Operation{
		OperationID: "list-mappings", Method: http.MethodGet, Path: path, Tags: []string{"mappings"},
		Summary: "Lists the mappings of a report",
	}, s.listMappings)
	route(s, Viewer, huma.Operation{
		OperationID: "get-mapping", Method: http.MethodGet, Path: path + "/{id}", Tags: []string{"mappings"},
		Summary: "Reads one mapping",
	}, func(ctx context.Context, in *MappingPath) (*mappingOutput, error) {
		mapping, err := schema.GetMapping(ctx, s.db, in.CycleID, in.ReportID, in.ID)
		if err != nil {
			return nil, s.missingError(ctx, in.ReportPath, "mapping", err)
		}
		return &mappingOutput{ETag: versionTag(mapping.Version), Body: newMapping(mapping)}, nil
	})
	route(s, Viewer, huma.Operation{
		OperationID: "list-mapping-history", Method: http.MethodGet, Path: path + "/{id}/history",
		Tags:    []string{"mappings"},
		Summary: "Lists the changes of a mapping, the newest first",
	}, s.listHistory)
}

func (s *Server) listMappings(ctx context.Context, in *struct {
	ReportPath
	PageQuery
	MappingQuery
},
) (*pageOutput[Mapping], error) {
	if err := s.requireReport(ctx, in.ReportPath); err != nil {
		return nil, err
	}
	mappings, next, err := s.readMappings(ctx, in.ReportPath, in.PageQuery, in.MappingQuery)
	if err != nil {
		return nil, err
	}
	page := Page[Mapping]{Items: make([]Mapping, len(mappings)), NextCursor: next}
	for i, mapping := range mappings {
		page.Items[i] = newMapping(mapping)
	}
	return &pageOutput[Mapping]{Body: page}, nil
}

// readMappings reads a page of the mappings of a report. Next is the cursor of the next page, or nil.
func (s *Server) readMappings(
	ctx context.Context, in ReportPath, page PageQuery, query MappingQuery,
) (mappings []schema.ListedMapping, next *string, err error) {
	filter, err := query.filter(in)
	if err != nil {
		return nil, nil, err
	}
	key, err := page.after(3)
	if err != nil {
		return nil, nil, err
	}
	if key == nil {
		key = []string{query.Sort, "", ""}
	} else if key[0] != query.Sort || !filter.Sort.Accepts(key[1]) {
		return nil, nil, newFieldProblem("query.cursor",
			"must be the next_cursor of a page of this list, sorted the same way")
	}
	after := schema.MappingPosition{Key: key[1], ID: key[2]}
	mappings, end, err := schema.ListMappings(ctx, s.db, filter, after, page.Limit)
	if err != nil || end == nil {
		return mappings, nil, err
	}
	next, err = cursor(query.Sort, end.Key, end.ID)
	return mappings, next, err
}

func (s *Server) listHistory(ctx context.Context, in *struct {
	MappingPath
	PageQuery
},
) (*pageOutput[HistoryEntry], error) {
	key, err := in.after(2)
	if err != nil {
		return nil, err
	}
	var (
		before   time.Time
		beforeID string
	)
	if key != nil {
		beforeID = key[1]
		if before, err = time.Parse(time.RFC3339Nano, key[0]); err != nil || beforeID == "" {
			return nil, newFieldProblem("query.cursor", "must be the next_cursor of a page of this list")
		}
	}
	if err := s.requireHistory(ctx, in.MappingPath); err != nil {
		return nil, err
	}
	changes, err := schema.ListHistory(ctx, s.db, in.ID, before, beforeID, in.rows())
	if err != nil {
		return nil, err
	}
	entries := make([]HistoryEntry, len(changes))
	for i, change := range changes {
		if entries[i], err = newHistoryEntry(change); err != nil {
			return nil, err
		}
	}
	body, err := pageOf(in.PageQuery, entries, func(e HistoryEntry) HistoryEntry { return e },
		func(e HistoryEntry) []string { return []string{e.ChangedAt.Format(time.RFC3339Nano), e.ID} })
	return &pageOutput[HistoryEntry]{Body: body}, err
}

// requireHistory returns a [Problem] unless the report has the mapping, or had it: the history of a removed mapping
// stays.
func (s *Server) requireHistory(ctx context.Context, in MappingPath) error {
	_, err := schema.GetMapping(ctx, s.db, in.CycleID, in.ReportID, in.ID)
	if err == nil {
		return nil
	}
	if removed, err := schema.WasRemoved(ctx, s.db, in.CycleID, in.ReportID, in.ID); err != nil || removed {
		return err
	}
	return s.missingError(ctx, in.ReportPath, "mapping", err)
}

func newHistoryEntry(h schema.History) (HistoryEntry, error) {
	entry := HistoryEntry{
		ID: h.ID, MappingID: h.MappingID, JobID: orNull(h.JobID), ChangedAt: h.ChangedAt.UTC(), ChangedBy: h.ChangedBy,
		Comment: orNull(h.Comment),
	}
	var err error
	if entry.Before, entry.After, err = h.Images(); err != nil {
		return entry, fmt.Errorf("history %s: %w", h.ID, err)
	}
	return entry, nil
}

func newMapping(m schema.ListedMapping) Mapping {
	return Mapping{
		ID: m.ID, AttributeID: m.AttributeID, AttributeName: m.AttributeName, DataSourceID: orNull(m.DataSourceID),
		PDEName: orNull(m.PDEName), PDECode: orNull(m.PDECode), PDEDescription: orNull(m.PDEDescription),
		SourceField: orNull(m.SourceField), SourceFields: m.AllSourceFields(),
		MappingType: orNull(m.MappingType), TransformationRule: orNull(m.TransformationRule),
		BusinessProcess: orNull(m.BusinessProcess),
		BusinessOwner:   orNull(m.BusinessOwner), DataSteward: orNull(m.DataSteward),
		MappingConfirmedByUser: m.MappingConfirmedByUser,
		ConfidenceScore:        m.ConfidenceScore, MappingRationale: orNull(m.MappingRationale),
		AlternativeMappings: orEmpty(m.AlternativeMappings),

		InformationSecurityClassification: orNull(m.InformationSecurityClassification),
		Criticality:                       orNull(m.Criticality),
		RiskLevel:                         orNull(m.RiskLevel), RegulatoryFlag: m.RegulatoryFlag, PIIFlag: m.PIIFlag,
		ClassificationConfidence: m.ClassificationConfidence,
		ClassificationRationale:  orNull(m.ClassificationRationale),
		RegulatoryReferences:     orEmpty(m.RegulatoryReferences), ClassifiedBy: orNull(m.ClassifiedBy),

		SuggestedSourceField:                       orNull(m.SuggestedSourceField),
		SuggestedInformationSecurityClassification: orNull(m.SuggestedInformationSecurityClassification),
		SuggestedCriticality:                       orNull(m.SuggestedCriticality),
		SuggestedRiskLevel:                         orNull(m.SuggestedRiskLevel),
		SuggestedRegulatoryFlag:                    m.SuggestedRegulatoryFlag, SuggestedPIIFlag: m.SuggestedPIIFlag,

		ReviewStatus: m.ReviewStatus, ReviewedBy: orNull(m.ReviewedBy), ReviewedAt: timeOrNull(m.ReviewedAt),
		CarriedFrom: orNull(m.CarriedFrom), Version: m.Version,
		CreatedAt: m.CreatedAt.UTC(), CreatedBy: m.CreatedBy, UpdatedAt: m.UpdatedAt.UTC(), UpdatedBy: m.UpdatedBy,
	}
}

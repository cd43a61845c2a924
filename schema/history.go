package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// HistoryAction is the kind of a change that no job made.
type HistoryAction string

const (
	// HistoryActionEdited set fields of the mapping.
	HistoryActionEdited HistoryAction = "edited"
	// HistoryActionAccepted set the fields to the suggestions of a job.
	HistoryActionAccepted HistoryAction = "accepted"
	// HistoryActionReviewed set the review status.
	HistoryActionReviewed HistoryAction = "reviewed"
	// HistoryActionUndone restored the mapping from before an earlier change.
	HistoryActionUndone HistoryAction = "undone"
	// HistoryActionAutoApproved approved the mapping by the rule of the report, outside of a job.
	HistoryActionAutoApproved HistoryAction = "auto_approved"
	// HistoryActionImported set fields from a file.
	HistoryActionImported HistoryAction = "imported"
	// HistoryActionUnmapped removed references to a column that was removed.
	HistoryActionUnmapped HistoryAction = "unmapped"
	// HistoryActionCarriedOver set the mapping to that of an earlier cycle.
	HistoryActionCarriedOver HistoryAction = "carried_over"
	// HistoryActionRefreshed asked for a revision, or removed a suggestion, because a database or a file no longer has
	// a column.
	HistoryActionRefreshed HistoryAction = "refreshed"
)

// HistoryActions returns all actions.
func HistoryActions() []HistoryAction {
	return []HistoryAction{
		HistoryActionEdited, HistoryActionAccepted, HistoryActionReviewed, HistoryActionUndone,
		HistoryActionAutoApproved, HistoryActionImported, HistoryActionUnmapped, HistoryActionCarriedOver,
		HistoryActionRefreshed,
	}
}

// isPublished reports whether mapping.changed is published for such a change. An import or a removal may change
// a million mappings; planning.changed reports it.
func (a HistoryAction) isPublished() bool {
	return a != HistoryActionImported && a != HistoryActionUnmapped
}

// History is one change of a mapping by a job, a person or an import. Rows are never deleted, and only Published
// changes.
type History struct {
	bun.BaseModel `bun:"table:classification_history,alias:h"`

	ID        string `bun:"id,pk"`
	MappingID string `bun:"mapping_id"`
	JobID     string `bun:"job_id,nullzero"`
	// Action is empty if a job made the change.
	Action    HistoryAction `bun:"action,nullzero"`
	ChangedAt time.Time     `bun:"changed_at"`
	ChangedBy string        `bun:"changed_by"`
	// Before and After are the images of the mapping. If a job made the change, Before has only the fields that
	// differ; [History.Images] returns all.
	Before  json.RawMessage `bun:"before,type:json"`
	After   json.RawMessage `bun:"after,type:json"`
	Comment string          `bun:"comment,nullzero"`
	// Undoes is the id of the change that this one has undone.
	Undoes string `bun:"undoes,nullzero"`
	// EditedBy is the last editor of a mapping in the cycle from which it was carried over. It is empty if only
	// jobs had changed it.
	EditedBy string `bun:"edited_by,nullzero"`
	// Published reports whether the event of the change is in the stream, or none is published for it.
	Published bool      `bun:"published"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// Image holds the values of a mapping that the history records: those that a job, a person or an import
// decides. A field without a value is null.
type Image struct {
	DataSourceID   *string `json:"data_source_id"`
	PDEName        *string `json:"pde_name"`
	PDECode        *string `json:"pde_code"`
	PDEDescription *string `json:"pde_description"`
	SourceField    *string `json:"source_field"`
	// SourceFields is null unless there are several.
	SourceFields           SourceFields  `json:"source_fields"`
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

	ReviewStatus string     `json:"review_status"`
	ReviewedBy   *string    `json:"reviewed_by"`
	ReviewedAt   *time.Time `json:"reviewed_at"`
	CarriedFrom  *string    `json:"carried_from"`
	Version      int64      `json:"version"`
}

// ImageChange is a field in which two images differ. Field is its name in the contract.
type ImageChange struct {
	Field         string
	Before, After any
}

// Changes returns the fields in which the images differ, except for the version, in the order of the contract.
func (image Image) Changes(after Image) (changes []ImageChange) {
	from, to := reflect.ValueOf(image), reflect.ValueOf(after)
	for i := range from.NumField() {
		name, b, a := from.Type().Field(i).Tag.Get("json"), from.Field(i).Interface(), to.Field(i).Interface()
		if name != "version" && !reflect.DeepEqual(b, a) {
			changes = append(changes, ImageChange{Field: name, Before: b, After: a})
		}
	}
	return changes
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

// ListUnpublishedChanges returns at most limit changes whose mapping.changed is not in the stream, oldest first,
// without those with these ids.
func ListUnpublishedChanges(ctx context.Context, db bun.IDB, without []string, limit int) ([]History, error) {
	var changes []History
	query := db.NewSelect().Model(&changes).Where("not published").Order("id").Limit(int64(limit))
	if len(without) > 0 {
		query = query.Where("id <> all(?)", pgdialect.Array(without))
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("unpublished changes of mappings: %w", err)
	}
	return changes, nil
}

// MarkChangesPublished records that the events of these changes are in the stream.
func MarkChangesPublished(ctx context.Context, db bun.IDB, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := db.NewRaw(`update classification_history set published = true, updated_at = clock_timestamp(),
		updated_by = ? where id in (?)`, ServiceDispatcher, bun.List(ids)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("mark changes of mappings: %w", err)
	}
	return nil
}

// ListChangesSince returns at most limit changes of the mapping after the version, the newest first.
func ListChangesSince(
	ctx context.Context, db bun.IDB, mappingID string, version int64, limit int,
) ([]History, error) {
	var changes []History
	err := db.NewSelect().Model(&changes).
		Where("mapping_id = ? and (after->>'version')::bigint > ?", mappingID, version).
		OrderExpr("changed_at desc, id desc").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("changes of mapping %s: %w", mappingID, err)
	}
	return changes, nil
}

// Images returns the mapping before and after the change. They share values that are equal.
func (h History) Images() (before, after Image, err error) {
	if after, err = DecodeImage(h.After); err != nil {
		return before, after, err
	}
	var changed map[string]json.RawMessage
	if err := json.Unmarshal(h.Before, &changed); err != nil {
		return before, after, fmt.Errorf("image of a mapping: %w: %w", ErrMalformed, err)
	}
	before = after
	fields := reflect.ValueOf(&before).Elem()
	for i := range fields.NumField() {
		text, ok := changed[fields.Type().Field(i).Tag.Get("json")]
		if !ok {
			continue
		}
		fields.Field(i).SetZero() // so that no value of after is overwritten
		if err := json.Unmarshal(text, fields.Field(i).Addr().Interface()); err != nil {
			return before, after, fmt.Errorf("image of a mapping: %w: %w", ErrMalformed, err)
		}
	}
	return before, after, nil
}

// DecodeImage decodes a whole image of a change: After, or Before if no job made the change. See [History.Images].
func DecodeImage(text json.RawMessage) (image Image, err error) {
	if err := json.Unmarshal(text, &image); err != nil {
		return image, fmt.Errorf("image of a mapping: %w: %w", ErrMalformed, err)
	}
	return image, nil
}

// changedText returns the values before a change of the fields that differ after it, as JSON. If reviewed is true, the
// time of the review differs, which the database sets.
func changedText(before, after Mapping, reviewed bool) (string, error) {
	image := before.Image()
	fields := map[string]any{"version": image.Version}
	if reviewed {
		fields["reviewed_at"] = image.ReviewedAt
	}
	for _, c := range image.Changes(after.Image()) {
		fields[c.Field] = c.Before
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("image of mapping %s: %w: %w", before.ID, ErrMalformed, err)
	}
	return string(text), nil
}

// imageText returns the image of a mapping as JSON.
func imageText(m Mapping) (string, error) {
	image, err := json.Marshal(m.Image())
	if err != nil {
		return "", fmt.Errorf("image of mapping %s: %w: %w", m.ID, ErrMalformed, err)
	}
	return string(image), nil
}

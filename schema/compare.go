package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// DifferenceKind is how an attribute of a report differs between two cycles.
type DifferenceKind string

const (
	// DifferenceKindAdded means that only the cycle has the attribute.
	DifferenceKindAdded DifferenceKind = "added"
	// DifferenceKindDropped means that only the other cycle has the attribute.
	DifferenceKindDropped DifferenceKind = "dropped"
	// DifferenceKindChanged means that the attributes or their mappings differ.
	DifferenceKindChanged DifferenceKind = "changed"
)

// DifferenceKinds returns all kinds.
func DifferenceKinds() []DifferenceKind {
	return []DifferenceKind{DifferenceKindAdded, DifferenceKindDropped, DifferenceKindChanged}
}

// Difference is an attribute that differs between two cycles of a report.
type Difference struct {
	Kind          DifferenceKind
	AttributeName string
	// The ids of the cycle are empty for a dropped attribute, and those of the other cycle for an added one.
	AttributeID, MappingID           string
	OtherAttributeID, OtherMappingID string
	// Fields are the fields that differ, each with its value in the other cycle before that in the cycle. There are
	// none for an added or dropped attribute.
	Fields []ImageChange
}

// Comparison selects two cycles of a report.
type Comparison struct {
	CycleID, ReportID string
	// OtherCycleID is the cycle with which CycleID is compared.
	OtherCycleID string
}

// DifferencePosition is a position in the list of differences. The zero value is its start.
type DifferencePosition struct {
	// Dropped reports whether the position is among the dropped attributes, which come last.
	Dropped bool
	// ID is the id of the last attribute that was compared; empty at the start of either part.
	ID string
}

// compareWindow is the number of attributes that are compared for a page.
const compareWindow = 10_000

// List returns at most limit differences after the position: first the added and changed attributes in their order,
// then the dropped ones. It compares a limited number of attributes, so a page may be short. Next is the position of
// the next page, or nil at the end. It returns [ErrNotFound] if there is no such report, and an [OtherCycleError].
//
// It compares the columns of a file of attributes, the data source, and the fields of a mapping that a person, an
// import or a reviewer decides. Confidences, rationales and suggestions may differ after each job and are not compared.
func (c Comparison) List(
	ctx context.Context, db bun.IDB, after DifferencePosition, limit int,
) (page []Difference, next *DifferencePosition, err error) {
	if _, err := GetReport(ctx, db, c.CycleID, c.ReportID); err != nil {
		return nil, nil, err
	}
	if _, err := getOtherReport(ctx, db, c.OtherCycleID, c.ReportID); err != nil {
		return nil, nil, err
	}
	for {
		query := c.query(after, limit+1-len(page))
		pairs, err := query.list(ctx, db)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range pairs {
			if len(page) == limit {
				return page, &after, nil
			}
			page = append(page, p.difference(after.Dropped))
			after.ID = p.Attribute.ID
		}
		end, err := query.end(ctx, db)
		switch {
		case err != nil:
			return nil, nil, err
		case end != "":
			return page, &DifferencePosition{Dropped: after.Dropped, ID: end}, nil
		case after.Dropped:
			return page, nil, nil
		}
		after = DifferencePosition{Dropped: true}
	}
}

// query returns the query for the differences after the position. For the dropped attributes, it reads those of the
// other cycle.
func (c Comparison) query(after DifferencePosition, limit int) pairQuery {
	if after.Dropped {
		return pairQuery{
			ReportID: c.ReportID, CycleID: c.OtherCycleID, OtherCycleID: c.CycleID, After: after.ID,
			Window: compareWindow, Where: "o.id is null", Limit: limit,
		}
	}
	return pairQuery{
		ReportID: c.ReportID, CycleID: c.CycleID, OtherCycleID: c.OtherCycleID, After: after.ID,
		Window: compareWindow, Where: pairDiffers, Limit: limit,
	}
}

// end returns the id of the last attribute of the window, or "" if the report has no attribute after the window.
func (q pairQuery) end(ctx context.Context, db bun.IDB) (id string, err error) {
	var ids []string
	err = db.NewSelect().Model((*Attribute)(nil)).Column("id").
		Where("cycle_id = ? and report_id = ? and id > ?", q.CycleID, q.ReportID, q.After).
		Order("id").Offset(int64(q.Window-1)).Limit(2).Scan(ctx, &ids)
	if err != nil {
		return "", fmt.Errorf("attributes of report %s: %w", q.ReportID, err)
	}
	if len(ids) < 2 {
		return "", nil
	}
	return ids[0], nil
}

// comparedMappingFields are the compared columns of mappings. Data sources have other ids in every cycle and are
// compared by name.
var comparedMappingFields = comparedMappingFieldsOf(mappingColumns)

func comparedMappingFieldsOf(columns []mappingColumn) (names []string) {
	for _, c := range columns {
		if (c.imported || c.decision) && c.name != "data_source_id" {
			names = append(names, c.name)
		}
	}
	return append(names, "review_status")
}

// pairDiffers is the SQL condition that the attributes or the mappings of a pair differ, or that there is no
// counterpart.
var pairDiffers = pairDiffersSQL()

func pairDiffersSQL() string {
	differ := func(a, b string, names []string) string {
		return "(" + a + strings.Join(names, ", "+a) + ") is distinct from (" + b + strings.Join(names, ", "+b) + ")"
	}
	var names []string
	for _, c := range attributeColumns {
		names = append(names, c.name)
	}
	return "(o.id is null or " + differ("a.", "o.", names) + " or " + differ("m.", "n.", comparedMappingFields) +
		" or " + sourceOfMapping + " is distinct from " + otherSource + ")"
}

// difference returns the difference of a pair. Dropped means that the pair's attribute is that of the other cycle.
func (p attributePair) difference(dropped bool) Difference {
	d := Difference{
		Kind: DifferenceKindChanged, AttributeName: p.Attribute.AttributeName,
		AttributeID: p.Attribute.ID, MappingID: p.Mapping.ID,
		OtherAttributeID: p.Other.ID, OtherMappingID: p.OtherMapping.ID,
	}
	switch {
	case dropped:
		d.Kind = DifferenceKindDropped
		d.AttributeID, d.MappingID, d.OtherAttributeID, d.OtherMappingID = "", "", d.AttributeID, d.MappingID
		return d
	case p.Other.ID == "":
		d.Kind = DifferenceKindAdded
		return d
	}
	d.Fields = p.Other.changes(p.Attribute)
	for _, change := range p.OtherMapping.Image().Changes(p.Mapping.Image()) {
		if slices.Contains(comparedMappingFields, change.Field) {
			d.Fields = append(d.Fields, change)
		}
	}
	if p.Source != p.OtherSource {
		d.Fields = append(d.Fields, ImageChange{
			Field: "data_source", Before: nameOrNull(p.OtherSource), After: nameOrNull(p.Source),
		})
	}
	return d
}

func nameOrNull(name string) any {
	if name == "" {
		return nil
	}
	return name
}

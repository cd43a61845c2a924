package schema

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
)

// recognise matches rows with attributes of the report whose identity differs from that of the row:
//   - A row with an MDRM code is an attribute with the same line item number and name that has no MDRM code yet.
//   - A row of a file without the column mdrm is the only attribute with its line item number, or the only one of
//     these with its name. The row gets the MDRM code of that attribute. If several attributes match, recognise
//     returns a problem.
//
// Read is the number of rows before the page.
func (im *importer) recognise(
	ctx context.Context, page []Attribute, rows Rows[Attribute], read int,
) (ImportProblems, error) {
	if rows.Fields == nil || slices.Contains(rows.Fields, "mdrm") {
		return nil, im.adoptCodes(ctx, page)
	}
	var lines []string
	for _, a := range page {
		if a.LineItemNumber != "" {
			lines = append(lines, a.LineItemNumber)
		}
	}
	byLine, err := im.findAttributes(ctx, "line_item_number", lines)
	if err != nil {
		return nil, err
	}
	var problems ImportProblems
	for i, a := range page {
		found := byLine[a.LineItemNumber]
		if len(found) > 1 {
			found = slices.DeleteFunc(slices.Clone(found),
				func(other Attribute) bool { return other.AttributeName != a.AttributeName })
		}
		switch {
		case len(found) == 1:
			page[i].MDRM = found[0].MDRM
		case len(byLine[a.LineItemNumber]) > 1:
			problem := ImportProblem{Part: "attributes", Column: "line_item_number", Reason: ambiguousLine}
			if read+i < len(rows.Places) {
				problem.Place = rows.Places[read+i]
			}
			problems = append(problems, problem)
		}
	}
	return problems, nil
}

const ambiguousLine = "several attributes of the report have this line_item_number; add the mdrm to select one"

// adoptCodes adds the MDRM codes of the page to the identities of the attributes that have a line item number
// and no MDRM code.
func (im *importer) adoptCodes(ctx context.Context, page []Attribute) error {
	if err := im.readUncoded(ctx); err != nil || len(im.uncoded) == 0 {
		return err
	}
	ids := map[string]string{} // by new identity
	for _, a := range page {
		if a.LineItemNumber == "" || a.MDRM == "" {
			continue
		}
		key := uncodedKey{identity: AttributeIdentity(a.LineItemNumber, "", ""), name: a.AttributeName}
		if id, ok := im.uncoded[key]; ok {
			ids[AttributeIdentity(a.LineItemNumber, a.MDRM, "")] = id
			delete(im.uncoded, key)
		}
	}
	return im.setIdentities(ctx, ids)
}

// uncodedKey is the part of an attribute without an MDRM code that a row with one has to match.
type uncodedKey struct{ identity, name string }

// readUncoded reads the attributes of the report that have a line item number and no MDRM code, once for each
// import.
func (im *importer) readUncoded(ctx context.Context) error {
	if im.uncoded != nil {
		return nil
	}
	var attributes []Attribute
	err := im.tx.NewSelect().Model(&attributes).Column("id", "identity", "attribute_name").
		Where("cycle_id = ? and report_id = ?", im.report.CycleID, im.report.ReportID).
		Where("line_item_number <> '' and mdrm = ''").Scan(ctx)
	if err != nil {
		return fmt.Errorf("attributes without mdrm of report %s: %w", im.report.ReportID, err)
	}
	im.uncoded = make(map[uncodedKey]string, len(attributes))
	for _, a := range attributes {
		im.uncoded[uncodedKey{identity: a.Identity, name: a.AttributeName}] = a.ID
	}
	return nil
}

// setIdentities changes the identities of attributes, given as a map of new identity to id, unless another
// attribute has the identity. Their other values, including the MDRM code, are written with the page.
func (im *importer) setIdentities(ctx context.Context, ids map[string]string) error {
	if len(ids) == 0 {
		return nil
	}
	identities := slices.Sorted(maps.Keys(ids))
	values := each(identities, func(identity string) string { return ids[identity] })
	_, err := im.tx.Tx.ExecContext(ctx, `update attributes t
		set identity = ($2::text[])[array_position($1::text[], t.id)]
		where t.id = any ($1::text[]) and not exists (
			select from attributes x where x.cycle_id = $3 and x.report_id = $4
			and x.identity = ($2::text[])[array_position($1::text[], t.id)])`,
		pgx.QueryExecModeCacheStatement, values, identities, im.report.CycleID, im.report.ReportID)
	if err != nil {
		return fmt.Errorf("identity of attributes of report %s: %w", im.report.ReportID, err)
	}
	return nil
}

// maxSearched is the number of characters of a name that the index contains.
const maxSearched = 200

// findAttributes returns the report's attributes with one of the values in the column, by value.
func (im *importer) findAttributes(
	ctx context.Context, column string, values []string,
) (map[string][]Attribute, error) {
	found := map[string][]Attribute{}
	if len(values) == 0 {
		return found, nil
	}
	var attributes []Attribute
	query := im.tx.NewSelect().Model(&attributes).Column("id", "attribute_name", "line_item_number", "mdrm").
		Where("cycle_id = ? and report_id = ?", im.report.CycleID, im.report.ReportID)
	if column == "line_item_number" {
		query = query.Where("line_item_number <> '' and line_item_number in (?)", bun.List(values))
	} else {
		query = query.Where("left(attribute_name, ?) in (?)", maxSearched,
			bun.List(each(values, func(name string) string {
				return string([]rune(name)[:min(len([]rune(name)), maxSearched)])
			})))
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("attributes of report %s: %w", im.report.ReportID, err)
	}
	for _, a := range attributes {
		key := a.LineItemNumber
		if column == "attribute_name" {
			key = a.AttributeName
		}
		found[key] = append(found[key], a)
	}
	return found, nil
}

// attributesOf returns the id of each row's attribute. The id is empty if the row has a problem.
func (m *merger) attributesOf(ctx context.Context, page []MappingRow) ([]string, error) {
	var lines, names []string
	for _, row := range page {
		if row.LineItemNumber != "" {
			lines = append(lines, row.LineItemNumber)
		} else {
			names = append(names, row.AttributeName)
		}
	}
	byLine, err := m.findAttributes(ctx, "line_item_number", lines)
	if err != nil {
		return nil, err
	}
	byName, err := m.findAttributes(ctx, "attribute_name", names)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(page))
	for i, row := range page {
		found, column := byName[row.AttributeName], "attribute_name"
		if row.LineItemNumber != "" {
			found, column = byLine[row.LineItemNumber], "line_item_number"
		}
		ids[i] = m.only(row, column, found)
	}
	return ids, nil
}

// only returns the id of the attribute that the row identifies, out of those found by the column. It returns
// "" and adds a problem if there is not exactly one.
func (m *merger) only(row MappingRow, column string, found []Attribute) string {
	if len(found) == 0 {
		m.wrong(row, column, "the report has no such attribute")
		return ""
	}
	fits := slices.DeleteFunc(slices.Clone(found),
		func(a Attribute) bool { return row.MDRM != "" && a.MDRM != row.MDRM })
	if len(fits) > 1 && row.LineItemNumber != "" && row.AttributeName != "" {
		fits = slices.DeleteFunc(fits, func(a Attribute) bool { return a.AttributeName != row.AttributeName })
	}
	switch {
	case len(fits) == 0 && row.MDRM != "":
		m.wrong(row, "mdrm", "no attribute with this "+column+" has this mdrm")
		return ""
	case len(fits) > 1 && column == "attribute_name":
		m.wrong(row, column, "several attributes have this name; add the line_item_number to select one")
		return ""
	case len(fits) != 1:
		m.wrong(row, column, "several attributes of the report have this line_item_number; "+
			"add the mdrm or the attribute_name to select one")
		return ""
	case row.LineItemNumber != "" && row.AttributeName != "" && row.AttributeName != fits[0].AttributeName:
		m.wrong(row, "attribute_name", "the attribute with this line_item_number has another name")
		return ""
	}
	id := fits[0].ID
	if first, twice := m.seen[id]; twice {
		m.wrong(row, column, "the mapping of this attribute is already in "+first.String())
		return ""
	}
	m.seen[id] = row.place()
	return id
}

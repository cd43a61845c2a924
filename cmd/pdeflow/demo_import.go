package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// load writes the report into the database: the sample, or one of the size asked for.
func (d *demo) load(ctx context.Context, db *schema.DB) error {
	columns, err := tabular.Columns("columns.csv", sample.Columns())
	if err != nil {
		return err
	}
	data := schema.ReportData{
		CycleID: sample.CycleID, ReportID: sample.ReportID, Name: sample.ReportName, Author: localUser(d.app.getenv),
		Columns: schema.Rows[schema.ColumnRow]{All: slices.Values(columns.Rows), Fields: columns.Columns},
	}
	total := d.size
	if d.size > 0 {
		data.Attributes = schema.Rows[schema.Attribute]{All: sample.Generate(d.size)}
		data.Mappings = iter.Seq[schema.MappingRow](func(func(schema.MappingRow) bool) {})
	} else {
		attributes, err := tabular.Attributes("attributes.csv", sample.Attributes())
		if err != nil {
			return err
		}
		mappings, err := tabular.Mappings("mappings.csv", sample.Mappings())
		if err != nil {
			return err
		}
		data.Attributes = schema.Rows[schema.Attribute]{All: slices.Values(attributes.Rows), Fields: attributes.Columns}
		data.Mappings, total = slices.Values(mappings.Rows), len(attributes.Rows)
	}
	d.note(fmt.Sprintf("importing %s and %s", count(int64(total), "attribute"),
		count(int64(len(columns.Rows)), "column")))
	progress := counter{
		w: d.app.stderr, terminal: d.app.drawsBars(), what: "importing attributes", total: total, drawnAt: time.Now(),
	}
	defer progress.end()
	data.Attributes.All = counted(data.Attributes.All, func() { progress.add(time.Now()) })
	return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Import(ctx, tx, data)
		return err
	})
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// load imports the sample report, or a generated one of the requested size.
func (d *demo) load(ctx context.Context, db *schema.DB) error {
	files := tabular.Sources{Columns: &tabular.Source{Name: "columns.csv", Content: sample.Columns()}}
	if d.size == 0 {
		files.Attributes = &tabular.Source{Name: "attributes.csv", Content: sample.Attributes()}
		files.Mappings = &tabular.Source{Name: "mappings.csv", Content: sample.Mappings()}
	}
	report, err := tabular.ReadReport(files, tabular.Columns)
	if err != nil {
		return err
	}
	data := report.Data()
	data.CycleID, data.ReportID, data.Name = sample.CycleID, cmp.Or(d.reportID, sample.ReportID), sample.ReportName
	data.Author = localUser(d.app.getenv)
	total := len(report.Attributes.Rows)
	if d.size > 0 {
		data.Attributes = schema.Rows[schema.Attribute]{All: sample.Generate(d.size)}
		total = d.size
	}
	d.note(fmt.Sprintf("importing %s and %s", count(int64(total), "attribute"),
		count(int64(len(report.Columns.Rows)), "column")))
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

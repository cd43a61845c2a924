package tabular

import (
	"errors"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// Source is the name and the content of a file.
type Source struct {
	Name    string
	Content []byte
}

// Sources are the files of an import. A file that is nil is absent.
type Sources struct{ Attributes, Columns, Mappings *Source }

// Report is the content of the files of an import. A file that was absent has no name and no rows.
type Report struct {
	Attributes File[schema.Attribute]
	Columns    File[schema.ColumnRow]
	Mappings   File[schema.MappingRow]
}

// ReadReport reads the files of an import. ReadColumns reads the file of source columns; it is [Columns], or a function
// that reads more formats. An error is [Problems] with the problems of all files, or one of a temporary file.
func ReadReport(
	sources Sources, readColumns func(name string, content []byte) (File[schema.ColumnRow], error),
) (Report, error) {
	var (
		report   Report
		problems Problems
		err      error
	)
	if s := sources.Attributes; s != nil {
		report.Attributes, err = Attributes(s.Name, s.Content)
		if err := problems.join(err); err != nil {
			return report, err
		}
	}
	if s := sources.Columns; s != nil {
		report.Columns, err = readColumns(s.Name, s.Content)
		if err := problems.join(err); err != nil {
			return report, err
		}
	}
	if s := sources.Mappings; s != nil {
		report.Mappings, err = Mappings(s.Name, s.Content)
		if err := problems.join(err); err != nil {
			return report, err
		}
	}
	return report, problems.err()
}

// join adds the problems of another file, and returns an error that is not [Problems].
func (p *Problems) join(err error) error {
	other, ok := errors.AsType[Problems](err)
	if !ok {
		return err
	}
	for _, problem := range other.First {
		p.Add(problem)
	}
	p.More += other.More
	return nil
}

// Data returns the rows for [schema.Import]. The caller sets the report, its name and the author.
func (r Report) Data() schema.ReportData {
	return schema.ReportData{
		Attributes: schema.Rows[schema.Attribute]{
			All: slices.Values(r.Attributes.Rows), Fields: r.Attributes.Columns, Places: r.Attributes.Places,
		},
		Columns: schema.Rows[schema.ColumnRow]{
			All: slices.Values(r.Columns.Rows), Fields: r.Columns.Columns, Places: r.Columns.Places,
		},
		Mappings: slices.Values(r.Mappings.Rows),
	}
}

// Locate returns the problems of an import with their places in the files.
func (r Report) Locate(refused schema.ImportProblems) Problems {
	var problems Problems
	for _, p := range refused {
		problem := r.Mappings.Problem
		if p.Part == "attributes" {
			problem = r.Attributes.Problem
		}
		problems.Add(problem(p.Place, p.Column, p.Reason))
	}
	return problems
}

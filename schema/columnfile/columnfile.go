package columnfile

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// maxColumns bounds the columns of a file, which are all held in memory.
const maxColumns = 500_000

// Read reads a file of columns in any format. The data source of a file that does not name one has the name of the
// file, without its extension. Any error is [tabular.Problems].
func Read(name string, content []byte) (tabular.File[schema.ColumnRow], error) {
	r := reader{
		name: name, source: strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), seen: map[string]int{},
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	switch formatOf(name, content) {
	case formatSQL:
		r.hasKeys = true
		r.readSQL(content)
	case formatManifest:
		r.readManifest(content)
	case formatProperties:
		r.readProperties(content)
	case formatOpenMetadata:
		r.readOpenMetadata(content)
	default:
		return tabular.Columns(name, content)
	}
	if len(r.rows) == 0 && len(r.problems.First) == 0 {
		r.problem(0, "", "the file has no columns")
	}
	if len(r.problems.First) > 0 {
		return tabular.File[schema.ColumnRow]{}, r.problems
	}
	return tabular.File[schema.ColumnRow]{
		Name: name, Columns: r.fields(), Rows: r.rows, Places: r.places, HeaderLine: 1,
	}, nil
}

// fields returns the fields of a column that the file sets. Those of a table are the same, without what follows the
// description.
func (r *reader) fields() []string {
	fields := []string{"data_source", "schema", "table", "column", "data_type", "description"}
	if r.hasKeys {
		fields = append(fields, "position", "is_primary_key", "references_field")
	}
	return fields
}

type format int

const (
	formatTable format = iota
	formatSQL
	formatManifest
	formatProperties
	formatOpenMetadata
)

var (
	createsTable = regexp.MustCompile(`(?i)(?:^|[\s;])create\s(?:[\w\s]{0,60}\s)?table\s`)
	isProperties = regexp.MustCompile(`(?m)^(?:version|models|sources|seeds|snapshots):`)
)

// formatOf returns the format of a file by its name, or else by its content.
func formatOf(name string, content []byte) format {
	extension := strings.ToLower(filepath.Ext(name))
	switch extension {
	case ".sql", ".ddl":
		return formatSQL
	case ".json":
		return formatManifest
	case ".yml", ".yaml":
		return formatProperties
	case ".xlsx":
		return formatTable
	}
	start := content[:min(len(content), 64<<10)]
	switch {
	case isOpenMetadata(start):
		return formatOpenMetadata
	case extension == ".csv", bytes.HasPrefix(content, []byte("PK\x03\x04")):
		return formatTable
	case bytes.HasPrefix(bytes.TrimSpace(start), []byte("{")):
		return formatManifest
	case createsTable.Match(content):
		return formatSQL
	case isProperties.Match(start):
		return formatProperties
	default:
		return formatTable
	}
}

// reader collects the columns of one file.
type reader struct {
	// source is the name of the data source, unless the file names one.
	name, source string
	rows         []schema.ColumnRow
	places       []schema.Place
	problems     tabular.Problems
	// seen has the line of each column.
	seen map[string]int
	// hasKeys reports that the file has the keys and the order of the columns.
	hasKeys bool
	// full reports that the file has too many columns. What follows in it is not read.
	full bool
}

// problem adds a problem.
func (r *reader) problem(line int, column, reason string) {
	r.problems.Add(tabular.Problem{File: r.name, Line: line, Column: column, Reason: reason})
}

// tooMany reports, once, that the file has more than [maxColumns].
func (r *reader) tooMany(line int) {
	if !r.full {
		r.problem(line, "", fmt.Sprintf("a file may have at most %d columns; split it", maxColumns))
	}
	r.full = true
}

// add adds a column.
func (r *reader) add(line int, row schema.ColumnRow) {
	if r.full {
		return
	}
	if row.DataSource == "" {
		row.DataSource = r.source
	}
	where := strings.Trim(row.SchemaName+"."+row.TableName+"."+row.ColumnName, ".")
	row, err := tabular.CheckColumn(row)
	if problems, ok := err.(tabular.Problems); ok { //nolint:errorlint // the error is not wrapped
		for _, p := range problems.First {
			r.problem(line, where, p.Column+" "+p.Reason)
		}
		return
	}
	key := strings.Join([]string{row.DataSource, row.SchemaName, row.TableName, row.ColumnName}, "\x00")
	if first, duplicate := r.seen[key]; duplicate {
		r.problem(line, where, fmt.Sprintf("the column is already in line %d", first))
		return
	}
	if len(r.seen) == maxColumns {
		r.tooMany(line)
		return
	}
	r.seen[key] = line
	if len(r.problems.First) == 0 {
		r.rows = append(r.rows, row)
		r.places = append(r.places, schema.Place{Line: line})
	}
}

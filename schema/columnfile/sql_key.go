package columnfile

import (
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// sqlReference is the column that a foreign key refers to.
type sqlReference struct {
	schema, table string
	// column is empty if the foreign key refers to the primary key of the table. Then index is the place of its column
	// in the key.
	column string
	index  int
}

// alter reads ALTER TABLE, and the further ones of a batch, which need no semicolon between them.
func (s *script) alter(p *parser) {
	for {
		p.accept("if", "exists")
		p.accept("only")
		table := s.find(p.names())
		if table == nil {
			return
		}
		s.keys(p, table)
		if !p.accept("alter", "table") {
			return
		}
	}
}

// keys reads the primary key and the foreign keys among the constraints of a table, up to the next ALTER TABLE.
func (s *script) keys(p *parser, table *sqlTable) {
	for p.at(0).kind != tokenEnd && (!p.at(0).is("alter") || !p.at(1).is("table")) {
		switch {
		case p.accept("primary", "key"):
			table.setPrimaryKey(table.named(p.columnList()))
		case p.accept("foreign", "key"):
			columns := p.columnList()
			if p.accept("references") {
				s.refer(p, table, columns)
			}
		default:
			p.pos++
		}
	}
}

// inlineKeys reads the keys among the options of a column.
func (s *script) inlineKeys(p *parser, table *sqlTable, c *sqlColumn) {
	for depth := 0; p.at(0).kind != tokenEnd; {
		switch {
		case depth == 0 && p.accept("primary", "key"):
			table.setPrimaryKey([]*sqlColumn{c})
		case depth == 0 && p.accept("references"):
			s.refer(p, table, []string{c.name})
		default:
			depth += nesting(p.at(0))
			p.pos++
		}
	}
}

// refer reads the table and the columns that a foreign key refers to. The first foreign key of a column counts.
func (s *script) refer(p *parser, table *sqlTable, columns []string) {
	names := p.names()
	if len(names) == 0 {
		return
	}
	to := sqlReference{schema: s.schema, table: names[len(names)-1]}
	if len(names) > 1 {
		to.schema = names[len(names)-2]
	}
	var targets []string
	if p.at(0).is("(") {
		targets = p.columnList()
	}
	for i, name := range columns {
		c := table.column(name)
		if c == nil || c.refers != nil || len(targets) > 0 && len(targets) != len(columns) {
			continue
		}
		if to.index = i; len(targets) > 0 {
			to.column = targets[i]
		}
		c.refers = new(to)
	}
}

// setPrimaryKey sets the columns of the primary key.
func (t *sqlTable) setPrimaryKey(columns []*sqlColumn) {
	for _, c := range t.primary {
		c.isPrimaryKey = false
	}
	for _, c := range columns {
		c.isPrimaryKey = true
	}
	t.primary = columns
}

// named returns the columns with these names. It leaves out a name that the table does not have.
func (t *sqlTable) named(names []string) (columns []*sqlColumn) {
	for _, name := range names {
		if c := t.column(name); c != nil {
			columns = append(columns, c)
		}
	}
	return columns
}

// columnList reads the names in the next parentheses, without their lengths and orders. It skips what is before them,
// such as the name of the index.
func (p *parser) columnList() (names []string) {
	for p.at(0).kind != tokenEnd && !p.accept("(") {
		p.pos++
	}
	begins := true
	for depth := 1; depth > 0 && p.at(0).kind != tokenEnd; p.pos++ {
		t := p.at(0)
		if begins && t.isName() {
			names = append(names, t.text)
		}
		depth += nesting(t)
		begins = depth == 1 && t.is(",")
	}
	return names
}

// sourceField returns the source field of the column that a foreign key refers to, or "" if the script does not tell
// it. Names are written as in the table, if the script creates it.
func (s *script) sourceField(to *sqlReference) string {
	if to == nil {
		return ""
	}
	target := schema.ColumnRow{
		DataSource: s.reader.source, SchemaName: to.schema, TableName: to.table, ColumnName: to.column,
	}
	if table := s.byName[[2]string{strings.ToLower(to.schema), strings.ToLower(to.table)}]; table != nil {
		target.SchemaName, target.TableName = table.schema, table.name
		if to.column == "" && to.index < len(table.primary) {
			target.ColumnName = table.primary[to.index].name
		} else if c := table.column(to.column); c != nil {
			target.ColumnName = c.name
		}
	}
	target, err := tabular.CheckColumn(target)
	if err != nil || target.ColumnName == "" {
		return ""
	}
	return schema.SourceColumn{
		SchemaName: target.SchemaName, TableName: target.TableName, ColumnName: target.ColumnName,
	}.SourceField()
}

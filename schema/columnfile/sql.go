package columnfile

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// script is what has been read of an SQL script.
type script struct {
	reader *reader
	schema string // the current one
	// useSetsSchema is false for SQL Server, whose USE sets the database.
	useSetsSchema bool
	// tables are in the order of the script, and byName has them by schema and name.
	tables []*sqlTable
	byName map[[2]string]*sqlTable
	// columns counts the columns of all tables.
	columns int
}

// sqlTable is a table of a script.
type sqlTable struct {
	schema, name string
	columns      []*sqlColumn
	// byName has the columns by name in lower case, as unquoted names differ between statements of one script.
	byName map[string]*sqlColumn
	// primary has the columns of the primary key in their order.
	primary []*sqlColumn
}

// sqlColumn is a column of a table of a script.
type sqlColumn struct {
	line                    int
	name, dataType, comment string
	// isPrimaryKey reports that the column is in primary of its table.
	isPrimaryKey bool
	// refers is the column that a foreign key of this one refers to; nil if there is none.
	refers *sqlReference
}

// column returns the column with this name, or nil.
func (t *sqlTable) column(name string) *sqlColumn { return t.byName[strings.ToLower(name)] }

// addColumn adds a column to a table. It returns false if the file has too many.
func (s *script) addColumn(t *sqlTable, c *sqlColumn) bool {
	if s.columns == maxColumns {
		s.reader.tooMany(c.line)
		return false
	}
	s.columns++
	t.columns = append(t.columns, c)
	if key := strings.ToLower(c.name); t.byName[key] == nil {
		t.byName[key] = c
	}
	return true
}

// readSQL reads a script.
func (r *reader) readSQL(content []byte) {
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		r.problem(0, "", "it is UTF-16 text; save it as UTF-8")
		return
	}
	scan := newScanner(content)
	s := script{
		reader: r, schema: r.source, useSetsSchema: !scan.dialect.sqlServer, byName: map[[2]string]*sqlTable{},
	}
	switch {
	case scan.dialect.sqlServer:
		s.schema = "dbo"
	case !scan.dialect.mysql && !scan.dialect.oracle:
		s.schema = "public"
	}
	for !r.full {
		tokens, ok := scan.statement()
		if !ok {
			break
		}
		s.statement(tokens)
	}
	if scan.tooLong > 0 {
		r.problem(scan.tooLong, "", fmt.Sprintf("the CREATE TABLE has more than %d words", maxTokens))
	}
	if scan.unclosed > 0 {
		r.problem(scan.unclosed, "", "a text, a name or a comment that begins here does not end")
	}
	for _, t := range s.tables {
		for i, c := range t.columns {
			r.add(c.line, schema.ColumnRow{
				SchemaName: t.schema, TableName: t.name, ColumnName: c.name, DataType: c.dataType,
				Description: c.comment, Position: int32(i + 1),
				IsPrimaryKey: c.isPrimaryKey, References: s.sourceField(c.refers),
			})
		}
	}
	if len(s.tables) == 0 && len(r.problems.First) == 0 {
		r.problem(0, "", "the script has no CREATE TABLE")
	}
}

// statement reads a statement, or skips it.
func (s *script) statement(tokens []token) {
	p := &parser{tokens: tokens}
	switch {
	case p.accept("create"):
		s.create(p)
	case p.accept("alter", "table"):
		s.alter(p)
	case p.accept("comment", "on", "column"):
		s.comment(p)
	case p.accept("use"):
		if s.useSetsSchema {
			s.setSchema(p.name())
		}
	case p.accept("set", "search_path"), p.accept("set", "schema"),
		p.accept("alter", "session", "set", "current_schema"):
		if !p.accept("=") {
			p.accept("to")
		}
		s.setSchema(p.name())
	case p.acceptAny("exec", "execute"):
		s.extendedProperty(p)
	}
}

// setSchema sets the current schema. Programs that write scripts of PostgreSQL set it to an empty text, and name the
// schema of each table.
func (s *script) setSchema(name string) {
	if name != "" && !strings.EqualFold(name, "pg_catalog") {
		s.schema = name
	}
}

// create reads CREATE TABLE.
func (s *script) create(p *parser) {
	temporary := false
	for !p.accept("table") {
		t, ok := p.take()
		if !ok {
			return // the script ends
		}
		temporary = temporary || t.isAny("temp", "temporary")
	}
	p.accept("if", "not", "exists")
	line := p.line()
	names := p.names()
	if len(names) == 0 {
		s.reader.problem(line, "", "CREATE TABLE has no name that can be read")
		return
	}
	table := &sqlTable{schema: s.schema, name: names[len(names)-1], byName: map[string]*sqlColumn{}}
	if len(names) > 1 {
		table.schema = names[len(names)-2]
	}
	if temporary || strings.HasPrefix(table.name, "#") || p.at(0).is("partition") {
		return
	}
	if !p.accept("(") {
		s.reader.problem(line, table.name, "the columns of the table cannot be read; only CREATE TABLE with a list of "+
			"columns is")
		return
	}
	key := [2]string{strings.ToLower(table.schema), strings.ToLower(table.name)}
	if first := s.byName[key]; first != nil {
		s.reader.problem(line, table.schema+"."+table.name, "the script creates the table twice")
		return
	}
	s.elements(p, table)
	s.byName[key] = table
	s.tables = append(s.tables, table)
}

// find returns the table with this name, which may have a schema, or nil.
func (s *script) find(names []string) *sqlTable {
	if len(names) == 0 {
		return nil
	}
	schemaName := s.schema
	if len(names) > 1 {
		schemaName = names[len(names)-2]
	}
	return s.byName[[2]string{strings.ToLower(schemaName), strings.ToLower(names[len(names)-1])}]
}

// comment reads COMMENT ON COLUMN. Comments of columns that the script does not create are skipped.
func (s *script) comment(p *parser) {
	names := p.names()
	if len(names) < 2 || !p.accept("is") {
		return
	}
	if table := s.find(names[:len(names)-1]); table != nil {
		if c := table.column(names[len(names)-1]); c != nil && p.at(0).kind == tokenString {
			c.comment = p.at(0).text
		}
	}
}

// propertyParameters returns the parameters of sp_addextendedproperty in their order.
func propertyParameters() []string {
	return []string{
		"@name", "@value", "@level0type", "@level0name", "@level1type", "@level1name", "@level2type", "@level2name",
	}
}

// extendedProperty reads the description of a column of SQL Server.
func (s *script) extendedProperty(p *parser) {
	names := p.names()
	if len(names) == 0 || !strings.EqualFold(names[len(names)-1], "sp_addextendedproperty") {
		return
	}
	values := map[string]token{}
	for _, name := range propertyParameters() {
		if p.at(0).kind == tokenWord && p.at(1).is("=") {
			name = strings.ToLower(p.at(0).text)
			p.pos += 2
		}
		values[name], _ = p.take()
		if !p.accept(",") {
			break
		}
	}
	if !strings.EqualFold(values["@name"].text, "MS_Description") ||
		!strings.EqualFold(values["@level2type"].text, "COLUMN") {
		return
	}
	if table := s.find([]string{values["@level0name"].text, values["@level1name"].text}); table != nil {
		if c := table.column(values["@level2name"].text); c != nil && values["@value"].kind == tokenString {
			c.comment = values["@value"].text
		}
	}
}

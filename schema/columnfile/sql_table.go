package columnfile

import (
	"slices"
	"strings"
)

// parser reads the tokens of a statement.
type parser struct {
	tokens []token
	pos    int
}

// at returns the token at an offset from the position, or an end.
func (p *parser) at(offset int) token {
	if i := p.pos + offset; i < len(p.tokens) {
		return p.tokens[i]
	}
	return token{kind: tokenEnd}
}

func (p *parser) take() (t token, ok bool) {
	t, ok = p.at(0), p.pos < len(p.tokens)
	p.pos++
	return t, ok
}

// line returns the line of the next token, or else of the last one.
func (p *parser) line() int {
	if p.pos < len(p.tokens) {
		return p.tokens[p.pos].line
	}
	return p.tokens[len(p.tokens)-1].line
}

// accept takes the keywords if they are next.
func (p *parser) accept(words ...string) bool {
	for i, word := range words {
		if !p.at(i).is(word) {
			return false
		}
	}
	p.pos += len(words)
	return true
}

// acceptAny takes the next token if it is one of the keywords.
func (p *parser) acceptAny(words ...string) bool {
	if p.at(0).isAny(words...) {
		p.pos++
		return true
	}
	return false
}

// name takes a name, or returns "".
func (p *parser) name() string {
	if t := p.at(0); t.isName() || t.kind == tokenString {
		p.pos++
		return t.text
	}
	return ""
}

// names takes a name with those before it, separated by dots.
func (p *parser) names() (names []string) {
	for p.at(0).isName() {
		names = append(names, p.at(0).text)
		p.pos++
		if !p.accept(".") {
			return names
		}
	}
	return nil
}

// elements reads the columns and constraints of a table, up to the closing parenthesis.
func (s *script) elements(p *parser, table *sqlTable) {
	var constraints []*parser
	defer func() {
		for _, constraint := range constraints { // a key may precede its columns
			s.keys(constraint, table)
		}
	}()
	for {
		begin := p.pos
		for depth := 0; ; p.pos++ {
			t := p.at(0)
			if t.kind == tokenEnd {
				s.reader.problem(p.line(), table.name, "the list of columns has no closing parenthesis")
				return
			}
			if depth == 0 && t.isAny(",", ")") {
				break
			}
			depth += nesting(t)
		}
		element := &parser{tokens: p.tokens[begin:p.pos]}
		end, _ := p.take()
		switch {
		case len(element.tokens) == 0:
			s.reader.problem(end.line, table.name, "the list of columns has an empty element")
		case isConstraint(element):
			constraints = append(constraints, element)
		default:
			s.element(element, table, end)
		}
		if end.is(")") || s.reader.full {
			return
		}
	}
}

func nesting(t token) int {
	switch {
	case t.is("("):
		return 1
	case t.is(")"):
		return -1
	default:
		return 0
	}
}

// element reads a column, or copies those of LIKE. End is the token after it, which has the remark of the line.
func (s *script) element(p *parser, table *sqlTable, end token) {
	if p.accept("like") {
		s.like(p, table)
		return
	}
	first, _ := p.take()
	c := &sqlColumn{line: first.line, name: first.text}
	if !first.isName() {
		s.reader.problem(first.line, table.name, "a column must begin with its name")
		return
	}
	if !s.dataType(p, c) {
		s.reader.problem(first.line, table.name+"."+c.name, "the type of the column cannot be read")
		return
	}
	options := *p
	c.comment = inlineComment(p)
	last := p.tokens[len(p.tokens)-1]
	if remark := end.remark; c.comment == "" && end.line == last.line {
		c.comment = remark
	}
	if c.comment == "" {
		c.comment = last.remark
	}
	if s.addColumn(table, c) {
		s.inlineKeys(&options, table, c)
	}
}

// like copies the columns of another table, without its keys.
func (s *script) like(p *parser, table *sqlTable) {
	like := s.find(p.names())
	if like == nil {
		s.reader.problem(p.line(), table.name, "LIKE names a table that the script does not create before")
		return
	}
	for _, c := range like.columns {
		copied := *c
		copied.line, copied.refers, copied.isPrimaryKey = p.tokens[0].line, nil, false
		if !s.addColumn(table, &copied) {
			return
		}
	}
}

// isConstraint reports whether the element is a constraint or an index. Some of their keywords can be names of columns.
func isConstraint(p *parser) bool {
	first, second, third := p.at(0), p.at(1), p.at(2)
	switch {
	case first.kind != tokenWord:
		return false
	case first.isAny("constraint", "primary", "foreign", "unique", "check", "supplemental"):
		return true
	case first.isAny("fulltext", "spatial"):
		return second.isAny("key", "index") || second.is("(") || third.is("(")
	case first.is("exclude"):
		return second.isAny("using", "(")
	case first.is("period"):
		return second.is("for")
	case first.isAny("key", "index"):
		// "key varchar(10)" is a column, and "key name (column)" an index.
		return second.is("(") || third.isAny("using", "clustered", "nonclustered", "unique") ||
			third.is("(") && p.at(3).kind != tokenNumber
	default:
		return false
	}
}

// dataType reads the type of a column, as it is written. A computed column has none.
func (s *script) dataType(p *parser, c *sqlColumn) bool {
	var text strings.Builder
	for depth := 0; ; p.pos++ {
		t := p.at(0)
		if t.kind == tokenEnd || depth == 0 && endsType(p, text.Len() > 0) {
			break
		}
		written := t.text
		switch {
		case t.kind == tokenString:
			written = "'" + strings.ReplaceAll(t.text, "'", "''") + "'"
		case depth == 0 && t.kind == tokenSign && !t.isAny("(", ")", ".", "[", "]", "%"), depth > 0 && t.is("="):
			return false
		}
		if text.Len() > 0 && t.spaced && !t.isAny("(", ")", ",", ".", "[", "]") &&
			!strings.HasSuffix(text.String(), "(") && !strings.HasSuffix(text.String(), ".") {
			text.WriteByte(' ')
		}
		text.WriteString(written)
		depth += nesting(t)
	}
	c.dataType = text.String()
	return c.dataType != "" || p.at(0).kind == tokenEnd || p.at(0).isAny("as", "generated")
}

// columnOptions are the keywords that follow the type of a column.
func columnOptions() []string {
	return []string{
		"not", "null", "default", "primary", "unique", "references", "check", "constraint", "collate", "generated",
		"auto_increment", "autoincrement", "identity", "comment", "on", "as", "charset", "encode", "stored", "virtual",
		"persisted", "invisible", "visible", "enable", "disable", "rowguidcol", "sparse", "filestream", "masked",
		"encrypted", "encrypt", "compression", "storage", "key", "sort", "ref", "options", "distkey", "sortkey",
		"compress", "format", "title", "hidden", "foreign", "srid", "column_format", "reservable",
	}
}

// endsType reports whether the next token is the first after the type. Begun reports that there is a type before it.
func endsType(p *parser, begun bool) bool {
	t := p.at(0)
	switch {
	case t.kind != tokenWord:
		return false
	case t.is("character"): // "character varying", or "character set utf8" after a type
		return begun && p.at(1).is("set")
	case t.is("with"):
		return !p.at(1).isAny("time", "local")
	default:
		return slices.ContainsFunc(columnOptions(), t.is)
	}
}

// inlineComment returns the text of COMMENT among the options of a column.
func inlineComment(p *parser) string {
	for depth := 0; p.at(0).kind != tokenEnd; p.pos++ {
		t := p.at(0)
		if depth == 0 && t.is("comment") && p.at(1).kind == tokenString {
			return p.at(1).text
		}
		depth += nesting(t)
	}
	return ""
}

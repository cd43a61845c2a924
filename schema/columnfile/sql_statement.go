package columnfile

import (
	"bytes"
	"regexp"
	"strings"
)

const (
	// maxTokens bounds the tokens of a CREATE TABLE, which are all held in memory.
	maxTokens = 500_000
	// maxShortTokens is the number of tokens that are kept of any other statement.
	maxShortTokens = 1000
	// maxDelimiter is the number of bytes of a delimiter that the client of MySQL takes.
	maxDelimiter = 15
)

// statementKind is how much of a statement is kept.
type statementKind int

const (
	// statementNew has no tokens yet.
	statementNew statementKind = iota
	// statementSkipped keeps nothing more.
	statementSkipped
	// statementShort keeps its first tokens.
	statementShort
	// statementCreate begins with CREATE, and may become a statementTable.
	statementCreate
	// statementTable is a CREATE TABLE, up to the end of its list of columns.
	statementTable
	// statementListed is a CREATE TABLE after its list of columns, and keeps nothing more.
	statementListed
	// statementBody is a procedure, a function or a trigger of SQL Server. It keeps nothing, and ends with its batch.
	statementBody
)

// statement is a statement that the scanner reads. It keeps only the tokens that can matter.
type statement struct {
	kind     statementKind
	tokens   []token
	depth    int
	previous token
}

// statement returns the tokens of the next statement that can matter, without its end, and false after the last one.
func (s *scanner) statement() ([]token, bool) {
	for {
		tokens, more := s.read()
		switch {
		case s.unclosed > 0 || s.tooLong > 0:
			return nil, false
		case len(tokens) > 0:
			return tokens, true
		case !more:
			return nil, false
		}
	}
}

// read reads a statement, and reports whether there may be a next one.
func (s *scanner) read() (tokens []token, more bool) {
	var st statement
	for command := s.held == nil; command; {
		command = s.skipCommand()
	}
	for s.tooLong == 0 {
		t, ok := s.take()
		switch {
		case !ok:
			return st.tokens, false
		case t.kind == tokenBatchEnd, t.kind == tokenEnd && st.kind != statementBody:
			return st.tokens, true
		case s.begins(&st, t):
			held := t // so that only this one is on the heap
			s.held = &held
			return st.tokens, true
		default:
			s.add(&st, t)
		}
	}
	return nil, false
}

// take returns the token that is held, or else the next one.
func (s *scanner) take() (token, bool) {
	if held := s.held; held != nil {
		s.held = nil
		return *held, true
	}
	t, ok := s.next()
	s.last = nil
	return t, ok
}

// begins reports whether the token begins the next statement, although no semicolon is before it. Those of SQL Server
// need none.
func (s *scanner) begins(st *statement, t token) bool {
	if st.kind == statementNew || st.kind == statementBody || st.kind == statementSkipped && !s.dialect.sqlServer {
		return false
	}
	if st.kind == statementListed && st.depth <= 0 && t.is("alter") {
		return true
	}
	// The statement before may be GRANT CREATE TABLE, CREATE VIEW TO name.
	return st.depth <= 0 && t.isAny("create", "exec", "execute") && !st.previous.isAny("grant", "deny", "revoke", ",")
}

// add adds a token to the statement, and keeps it if it can matter.
func (s *scanner) add(st *statement, t token) {
	st.become(t, s.dialect)
	short := st.kind == statementShort || st.kind == statementCreate
	if st.kind == statementTable && len(st.tokens) == maxTokens {
		s.tooLong = st.tokens[0].line
	}
	if st.kind == statementTable || short && len(st.tokens) < maxShortTokens {
		st.tokens = append(st.tokens, t)
		s.last = &st.tokens[len(st.tokens)-1]
	}
	st.depth += nesting(t)
	st.previous = t
	if st.kind == statementTable && st.depth == 0 && t.is(")") {
		st.kind = statementListed
	}
}

// become changes the kind of the statement by its next token.
func (st *statement) become(t token, d dialect) {
	opens := st.kind == statementCreate || st.kind == statementShort
	switch {
	case st.kind == statementNew && t.is("create"):
		st.kind = statementCreate
	case st.kind == statementNew && t.isAny("comment", "use", "set", "alter", "exec", "execute"):
		st.kind = statementShort
	case st.kind == statementNew:
		st.kind = statementSkipped
	case opens && d.sqlServer && st.previous.isAny("create", "alter") &&
		t.isAny("procedure", "proc", "function", "trigger"):
		st.kind, st.tokens = statementBody, nil
	case st.kind == statementCreate && t.is("table"):
		st.kind = statementTable
	case st.kind == statementCreate && !isTableOption(t):
		st.kind, st.tokens = statementSkipped, nil
	}
}

// isTableOption reports whether the keyword may be between CREATE and TABLE.
func isTableOption(t token) bool {
	return t.isAny("or", "alter", "replace", "global", "local", "temp", "temporary", "unlogged", "external", "foreign",
		"private", "sharded", "immutable", "hybrid")
}

var copiesRows = regexp.MustCompile(`(?i)^copy\s[^;]*\sfrom\s+stdin\b[^;]*;`)

// firstWord returns the word at the start of the text in lower case, and the text after it.
func firstWord(text []byte) (word string, rest []byte) {
	end := 0
	for end < min(len(text), 20) && (text[end] == '_' || text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z') {
		end++
	}
	return strings.ToLower(string(text[:end])), text[end:]
}

// isLineCommand reports whether the text begins with a command of a client program, which ends with its line. It
// compares words, because a script may have millions of statements.
func isLineCommand(text []byte) bool {
	if len(text) > 0 && (text[0] == '\\' || text[0] == '@') {
		return true
	}
	word, rest := firstWord(text)
	switch word {
	case "prompt", "rem", "remark", "spool", "whenever", "show", "delimiter", "connect", "exit":
		return len(rest) == 0 || !isWordRune(rune(rest[0]))
	case "set":
		option, _ := firstWord(bytes.TrimLeft(rest, " \t"))
		switch option {
		case "define", "echo", "feedback", "serveroutput", "sqlblanklines", "scan", "verify", "heading", "linesize",
			"pagesize", "quoted_identifier", "nocount":
			return true
		}
		return strings.HasPrefix(option, "ansi_")
	default:
		return false
	}
}

// skipCommand skips a line that is a command of a client program, and the rows of COPY.
func (s *scanner) skipCommand() bool {
	rest := bytes.TrimLeft(s.text[s.pos:], " \t\r\n")
	start := rest[:min(len(rest), 400)]
	if word, _ := firstWord(start); word == "copy" && copiesRows.Match(start) {
		end := bytes.Index(rest, []byte("\n\\."))
		if end < 0 {
			end = len(rest) - 2
		}
		s.advance(len(s.text) - s.pos - len(rest) + min(end+3, len(rest)))
		return true
	}
	if !isLineCommand(start) {
		return false
	}
	end := bytes.IndexByte(rest, '\n')
	if end < 0 {
		end = len(rest)
	}
	if words := strings.Fields(string(rest[:end])); len(words) > 1 && strings.EqualFold(words[0], "delimiter") {
		s.delimiter = words[1][:min(len(words[1]), maxDelimiter)]
	}
	s.advance(len(s.text) - s.pos - len(rest) + end)
	return true
}

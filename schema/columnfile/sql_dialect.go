package columnfile

import "bytes"

// dialect is what the scanner must know of the dialect of a script.
type dialect struct {
	// mysql has strings with backslashes, and no strings between dollars; sqlServer has GO, and names in brackets.
	mysql, sqlServer, oracle bool
}

// dialectOf recognises the dialect by words and quotes that only one has. It takes one pass without regular
// expressions, which took half a minute for a script of 32 MiB.
func dialectOf(script []byte) dialect {
	m := marks{text: script}
	for m.pos < len(script) {
		c := script[m.pos]
		switch {
		case isLetter(c):
			m.word()
			continue
		case c == '\n':
			m.inLine = false
		case c > ' ':
			m.sign(c)
			m.inLine = true
		}
		m.pos++
	}
	return m.found
}

// marks finds the marks of the dialects.
type marks struct {
	text  []byte
	pos   int
	found dialect
	// inLine reports that the line has more than space before the position.
	inLine bool
	// creates reports that the statement has begun with CREATE TABLE, and named that TABLE was the word before the
	// position.
	creates, named bool
	// previous is the last sign or the last letter before the position.
	previous byte
	// create reports that the last word was CREATE.
	create bool
}

// word reads the word at the position.
func (m *marks) word() {
	begin, startsLine := m.pos, !m.inLine
	for m.pos < len(m.text) && (isLetter(m.text[m.pos]) || m.text[m.pos] >= '0' && m.text[m.pos] <= '9') {
		m.pos++
	}
	rest := m.text[m.pos:]
	word := string(bytes.ToLower(m.text[begin:min(m.pos, begin+maxMark)]))
	afterCreate := m.create
	m.create, m.named, m.inLine, m.previous = word == "create", false, true, m.text[m.pos-1]
	switch word {
	case "table":
		m.named = afterCreate
		m.creates = m.creates || afterCreate
	case "delimiter":
		m.found.mysql = m.found.mysql || startsLine && len(rest) > 0 && rest[0] <= ' '
	case "go":
		m.found.sqlServer = m.found.sqlServer || startsLine && endsBatch(rest)
	case "dbo":
		m.found.sqlServer = m.found.sqlServer || bytes.HasPrefix(rest, []byte("."))
	case "uniqueidentifier", "datetime2":
		m.found.sqlServer = true
	case "nvarchar":
		m.found.sqlServer = m.found.sqlServer || hasMax(rest)
	case "varchar2", "nvarchar2", "number":
		rest = bytes.TrimLeft(rest[:min(len(rest), maxMark)], blanks+"\n")
		m.found.oracle = m.found.oracle || bytes.HasPrefix(rest, []byte("("))
	}
}

// maxMark is more than the length of every mark.
const maxMark = 40

// sign reads the sign c at the position.
func (m *marks) sign(c byte) {
	rest := m.text[m.pos:]
	switch c {
	case ';', '\'':
		m.creates = false
	case '`':
		m.found.mysql = m.found.mysql || m.creates
	case '-':
		m.found.mysql = m.found.mysql || !m.inLine && isDumpComment(rest)
	case '[':
		m.found.sqlServer = m.found.sqlServer || m.named || bytes.HasPrefix(bytes.ToLower(rest[:min(len(rest), 5)]),
			[]byte("[dbo]")) || (m.previous == '(' || m.previous == ',') && isColumnInBrackets(rest)
	}
	m.create, m.named, m.previous = false, false, c
}

func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// isDumpComment reports whether the text begins with the first comment of mysqldump or mariadb-dump.
func isDumpComment(text []byte) bool {
	comment, found := bytes.CutPrefix(bytes.ToLower(text[:min(len(text), maxMark)]), []byte("--"))
	comment = bytes.TrimLeft(comment, blanks)
	return found && (bytes.HasPrefix(comment, []byte("mysql dump")) || bytes.HasPrefix(comment, []byte("mariadb dump")))
}

// hasMax reports whether the text begins with the length MAX in parentheses.
func hasMax(text []byte) bool {
	text = bytes.ToLower(bytes.TrimLeft(text[:min(len(text), maxMark)], blanks))
	text, found := bytes.CutPrefix(text, []byte("("))
	return found && bytes.HasPrefix(bytes.TrimLeft(text, blanks), []byte("max"))
}

// isColumnInBrackets reports whether the text begins with a name in brackets that a type follows.
func isColumnInBrackets(text []byte) bool {
	name, after, found := bytes.Cut(text[1:min(len(text), 3*maxMark)], []byte("]"))
	if !found || len(name) == 0 || !isLetter(name[0]) || bytes.ContainsAny(name, "'\",()[\n") {
		return false
	}
	kind := bytes.TrimPrefix(bytes.TrimLeft(after, blanks), []byte("["))
	return len(kind) < len(after) && len(kind) > 0 && isLetter(kind[0])
}

const blanks = " \t\v\f\r"

// endsBatch reports whether the text after GO is the end of its line, or a number before that.
func endsBatch(text []byte) bool {
	rest := bytes.TrimLeft(text, blanks)
	if len(rest) < len(text) { // GO 5
		rest = bytes.TrimLeft(bytes.TrimLeft(rest, "0123456789"), blanks)
	}
	return len(rest) == 0 || rest[0] == '\n'
}

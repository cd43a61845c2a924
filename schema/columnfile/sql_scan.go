package columnfile

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is the kind of a token of SQL.
type tokenKind int

const (
	tokenWord tokenKind = iota
	// tokenName is a quoted name.
	tokenName
	tokenString
	tokenNumber
	// tokenSign is a single character.
	tokenSign
	// tokenEnd ends a statement.
	tokenEnd
)

// token is a word of a script. The text of names and strings is without quotes.
type token struct {
	kind tokenKind
	text string
	line int
	// remark is the text of a comment that follows the token in its line.
	remark string
	// spaced reports that there is space before the token.
	spaced bool
}

// is reports whether the token is the keyword or the sign.
func (t token) is(text string) bool {
	return (t.kind == tokenWord || t.kind == tokenSign) && strings.EqualFold(t.text, text)
}

// isAny reports whether the token is one of the keywords or signs.
func (t token) isAny(texts ...string) bool {
	for _, text := range texts {
		if t.is(text) {
			return true
		}
	}
	return false
}

// isName reports whether the token can be a name.
func (t token) isName() bool { return t.kind == tokenWord || t.kind == tokenName }

// dialect is what the scanner must know of the dialect of a script.
type dialect struct {
	// mysql has strings with backslashes, and no strings between dollars; sqlServer has GO, and names in brackets.
	mysql, sqlServer, oracle bool
}

var (
	marksMySQL = regexp.MustCompile(
		"(?im)^\\s*(?:delimiter\\s|--\\s*mysql dump|--\\s*mariadb dump|create\\s+table\\s[^;']*`)",
	)
	marksSQLServer = regexp.MustCompile(`(?im)^\s*go\s*$|\[dbo\]|create\s+table\s+\[`)
	marksOracle    = regexp.MustCompile(`(?i)\b(?:n?varchar2|number)\s*\(`)
)

func dialectOf(script []byte) dialect {
	return dialect{
		mysql: marksMySQL.Match(script), sqlServer: marksSQLServer.Match(script), oracle: marksOracle.Match(script),
	}
}

// scanner splits a script into tokens.
type scanner struct {
	text      []byte
	dialect   dialect
	pos, line int
	// delimiter ends a statement in place of a semicolon; see the command DELIMITER.
	delimiter string
	last      *token
	// unclosed is the line of a string, a name or a comment without an end, or 0.
	unclosed int
}

func newScanner(script []byte) *scanner {
	return &scanner{text: script, dialect: dialectOf(script), line: 1, delimiter: ";"}
}

// statement returns the tokens of the next statement without its end, and false after the last one.
func (s *scanner) statement() (tokens []token, ok bool) {
	for s.unclosed == 0 {
		if len(tokens) == 0 && s.skipCommand() {
			continue
		}
		t, more := s.next()
		switch {
		case !more:
			return tokens, len(tokens) > 0 && s.unclosed == 0
		case t.kind != tokenEnd:
			tokens = append(tokens, t)
			s.last = &tokens[len(tokens)-1]
		case len(tokens) > 0:
			return tokens, true
		}
	}
	return nil, false
}

var (
	// lineCommand matches a command of a client program that ends with its line.
	lineCommand = regexp.MustCompile(
		`(?i)^(?:\\|@|(?:prompt|rem|remark|spool|whenever|show|delimiter|connect|exit)\b|` +
			`set\s+(?:define|echo|feedback|serveroutput|sqlblanklines|scan|verify|heading|linesize|pagesize|ansi_\w+|` +
			`quoted_identifier|nocount)\b)`,
	)
	copiesRows = regexp.MustCompile(`(?i)^copy\s[^;]*\sfrom\s+stdin\b[^;]*;`)
)

// skipCommand skips a line that is a command of a client program, and the rows of COPY.
func (s *scanner) skipCommand() bool {
	rest := bytes.TrimLeft(s.text[s.pos:], " \t\r\n")
	start := rest[:min(len(rest), 400)]
	if rows := copiesRows.Find(start); rows != nil {
		end := bytes.Index(rest, []byte("\n\\."))
		if end < 0 {
			end = len(rest) - 2
		}
		s.advance(len(s.text) - s.pos - len(rest) + min(end+3, len(rest)))
		return true
	}
	if !lineCommand.Match(start) {
		return false
	}
	end := bytes.IndexByte(rest, '\n')
	if end < 0 {
		end = len(rest)
	}
	if words := strings.Fields(string(rest[:end])); len(words) > 1 && strings.EqualFold(words[0], "delimiter") {
		s.delimiter = words[1]
	}
	s.advance(len(s.text) - s.pos - len(rest) + end)
	return true
}

// advance moves the position and counts the lines.
func (s *scanner) advance(n int) {
	s.line += bytes.Count(s.text[s.pos:s.pos+n], []byte("\n"))
	s.pos += n
}

// isEndLine reports whether the line at the position is GO or a slash, which end a statement.
func (s *scanner) isEndLine() bool {
	before := s.text[:s.pos]
	before = before[bytes.LastIndexByte(before, '\n')+1:]
	after, _, _ := bytes.Cut(s.text[s.pos:], []byte("\n"))
	line := strings.TrimSpace(string(after))
	return len(bytes.TrimSpace(before)) == 0 && (line == "/" || strings.EqualFold(line, "go"))
}

// next returns the next token.
func (s *scanner) next() (token, bool) {
	spaced := s.skipBlanks()
	if s.pos >= len(s.text) || s.unclosed > 0 {
		return token{}, false
	}
	t := token{line: s.line, spaced: spaced}
	rest := s.text[s.pos:]
	c, size := utf8.DecodeRune(rest)
	switch {
	case bytes.HasPrefix(rest, []byte(s.delimiter)):
		s.advance(len(s.delimiter))
		t.kind = tokenEnd
	case (c == '/' || c == 'g' || c == 'G') && s.isEndLine():
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		s.advance(end)
		t.kind = tokenEnd
	case c == '\'':
		t.kind, t.text = tokenString, s.quoted('\'', s.dialect.mysql)
	case (c == 'N' || c == 'n') && bytes.HasPrefix(rest[1:], []byte("'")):
		s.advance(1)
		t.kind, t.text = tokenString, s.quoted('\'', false)
	case (c == 'E' || c == 'e') && bytes.HasPrefix(rest[1:], []byte("'")):
		s.advance(1)
		t.kind, t.text = tokenString, s.quoted('\'', true)
	case c == '"', c == '`':
		t.kind, t.text = tokenName, s.quoted(byte(c), false)
	case c == '[' && s.dialect.sqlServer && !isBounds(rest):
		t.kind, t.text = tokenName, s.quoted(']', false)
	case c == '$' && !s.dialect.mysql && dollarQuote.Match(rest):
		t.kind, t.text = tokenString, s.dollars(string(dollarQuote.Find(rest)))
	case unicode.IsDigit(c):
		t.kind, t.text = tokenNumber, s.while(func(r rune) bool { return r == '.' || isWordRune(r) })
	case isWordRune(c):
		t.kind, t.text = tokenWord, s.word()
	default:
		s.advance(size)
		t.kind, t.text = tokenSign, string(c)
	}
	return t, s.unclosed == 0
}

var (
	dollarQuote = regexp.MustCompile(`^\$[A-Za-z_]?\w*\$`)
	arrayBounds = regexp.MustCompile(`^\[\d*\]`)
)

// isBounds reports whether the text begins with the bounds of an array.
func isBounds(text []byte) bool { return arrayBounds.Match(text) }

func isWordRune(r rune) bool {
	return r == '_' || r == '$' || r == '#' || r == '@' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// word returns the word at the position. It ends before the delimiter, which may consist of dollars.
func (s *scanner) word() string {
	start, line := s.pos, s.line
	text := s.while(isWordRune)
	if end := strings.Index(text, s.delimiter); end > 0 {
		text, s.pos, s.line = text[:end], start+end, line
	}
	return text
}

// while returns the text of the runes that satisfy the condition.
func (s *scanner) while(condition func(rune) bool) string {
	rest := s.text[s.pos:]
	end := bytes.IndexFunc(rest, func(r rune) bool { return !condition(r) })
	if end < 0 {
		end = len(rest)
	}
	s.advance(end)
	return string(rest[:end])
}

// quoted returns the text up to the closing quote, which is doubled in the text, or escaped if backslashes do that.
func (s *scanner) quoted(end byte, backslashes bool) string {
	var text []byte
	for i := s.pos + 1; i < len(s.text); i++ {
		c := s.text[i]
		switch {
		case c == '\\' && backslashes && i+1 < len(s.text):
			i++
			text = append(text, unescape(s.text[i]))
		case c == end && i+1 < len(s.text) && s.text[i+1] == end:
			i++
			text = append(text, end)
		case c == end:
			s.advance(i + 1 - s.pos)
			return string(text)
		default:
			text = append(text, c)
		}
	}
	s.unclosed = s.line
	return ""
}

// unescape returns the character that a backslash and c stand for.
func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	default:
		return c
	}
}

// dollars returns the text between two equal quotes of dollars.
func (s *scanner) dollars(quote string) string {
	rest := s.text[s.pos+len(quote):]
	end := bytes.Index(rest, []byte(quote))
	if end < 0 {
		s.unclosed = s.line
		return ""
	}
	s.advance(end + 2*len(quote))
	return string(rest[:end])
}

// skipBlanks skips space and comments. It reports whether there was any.
func (s *scanner) skipBlanks() bool {
	start := s.pos
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		switch {
		case rest[0] <= ' ':
			s.advance(1)
		case bytes.HasPrefix(rest, []byte("\u00a0")):
			s.advance(2)
		case bytes.HasPrefix(rest, []byte("--")), rest[0] == '#' && s.dialect.mysql:
			s.lineComment(rest)
		case bytes.HasPrefix(rest, []byte("/*")):
			end := bytes.Index(rest, []byte("*/"))
			if end < 0 {
				s.unclosed = s.line
				return true
			}
			s.advance(end + 2)
		default:
			return s.pos > start
		}
	}
	return true
}

// lineComment skips a comment up to the end of its line, and keeps it as the remark of the token before it.
func (s *scanner) lineComment(rest []byte) {
	text, _, _ := bytes.Cut(rest, []byte("\n"))
	if s.last != nil && s.last.line == s.line && s.last.remark == "" {
		s.last.remark = strings.TrimSpace(strings.TrimLeft(string(text), "-# \t"))
	}
	s.advance(len(text))
}

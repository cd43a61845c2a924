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
	// tokenBatchEnd is GO or a slash. It ends a statement even in the body of a procedure.
	tokenBatchEnd
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

// scanner splits a script into tokens.
type scanner struct {
	text      []byte
	dialect   dialect
	pos, line int
	// inLine reports that the line has more than space before the position.
	inLine bool
	// delimiter ends a statement in place of a semicolon; see the command DELIMITER.
	delimiter string
	// last is the token before the position if it is kept, and held the first one of the next statement.
	last, held *token
	// unclosed is the line of a string, a name or a comment without an end, or 0.
	unclosed int
	// tooLong is the line of a statement with more than [maxTokens], or 0.
	tooLong int
}

func newScanner(script []byte) *scanner {
	return &scanner{text: script, dialect: dialectOf(script), line: 1, delimiter: ";"}
}

// advance moves the position and counts the lines.
func (s *scanner) advance(n int) {
	passed := s.text[s.pos : s.pos+n]
	if newline := bytes.LastIndexByte(passed, '\n'); newline >= 0 {
		s.line += bytes.Count(passed, []byte("\n"))
		s.inLine = false
		passed = passed[newline+1:]
	}
	s.inLine = s.inLine || len(bytes.TrimSpace(passed)) > 0
	s.pos += n
}

// isEndLine reports whether the line at the position is GO, with a number or without, or a slash. Both end a statement.
func (s *scanner) isEndLine() bool {
	if s.inLine {
		return false
	}
	rest := s.text[s.pos:]
	switch {
	case rest[0] == '/':
		rest = bytes.TrimLeft(rest[1:], blanks)
		return len(rest) == 0 || rest[0] == '\n'
	case len(rest) > 1 && bytes.EqualFold(rest[:2], []byte("go")):
		return endsBatch(rest[2:])
	default:
		return false
	}
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
		t.kind = tokenBatchEnd
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
	rest, end := s.text[s.pos:], 0
	for end < len(rest) {
		c, size := utf8.DecodeRune(rest[end:])
		if !isWordRune(c) || end > 0 && bytes.HasPrefix(rest[end:], []byte(s.delimiter)) {
			break
		}
		end += size
	}
	s.advance(end)
	return string(rest[:end])
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

// unescape returns the character of the escape sequence of a backslash and c.
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

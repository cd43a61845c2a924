package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/schema"
)

// jsonType is the media type of a JSON body.
const jsonType = "application/json"

// jsonFormat reads and writes JSON as huma does. Its errors have the position of the mistake but not the text there.
func jsonFormat() huma.Format {
	return huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
}

func unmarshal(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("must be JSON; the mistake is at byte %d", syntax.Offset)
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("the value at byte %d cannot be a %s", kind.Offset, kind.Type)
	}
	if err != nil {
		return errors.New("must be JSON")
	}
	return nil
}

// isJSON reports whether a Content-Type header means JSON in UTF-8, which is the only encoding of JSON.
func isJSON(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	charset, named := params["charset"]
	return err == nil && kind == jsonType && (!named || strings.EqualFold(charset, "utf-8"))
}

// bodyCheck checks a body against its schema and finds mistakes that encoding/json accepts: duplicate fields, of which
// the last one would win, fields in the wrong case, unknown and missing fields, texts that cannot be stored unchanged,
// and lists that are too long. Huma checks the types and limits of the values. The check stops after
// [schema.MaxProblems] problems, so that a small body cannot cause a large response.
type bodyCheck struct {
	server  *Server
	decoder *json.Decoder
	problem *Problem
}

// checkJSON returns the problem of a body of the operation, or nil.
func (s *Server) checkJSON(op *huma.Operation, data []byte) *Problem {
	switch {
	case !utf8.Valid(data):
		return malformedBody("must be UTF-8")
	case hasLoneSurrogate(data):
		return malformedBody(`a text has half of a surrogate pair, such as \ud800, which is not a character`)
	}
	var body any
	if err := unmarshal(data, &body); err != nil {
		return malformedBody(err.Error())
	}
	c := bodyCheck{server: s, decoder: json.NewDecoder(bytes.NewReader(data)), problem: newProblem(invalid, "")}
	c.decoder.UseNumber()
	c.value("body", op.RequestBody.Content[jsonType].Schema)
	if len(c.problem.Errors) == 0 {
		return nil
	}
	first := c.problem.Errors[0]
	c.problem.Detail = first.Location + ": " + first.Message
	return c.problem
}

func malformedBody(message string) *Problem {
	return newProblem(malformed, "body: "+message).addError("body", message)
}

// value checks the next value against its schema. It reports whether to continue.
func (c *bodyCheck) value(at string, described *huma.Schema) (more bool) {
	described = c.server.resolved(described)
	token, err := c.decoder.Token()
	if err != nil {
		return false // not possible: checkJSON has parsed the body
	}
	switch token := token.(type) {
	case string:
		if strings.ContainsRune(token, 0) {
			c.problem = malformedBody("a text has the character NUL, which cannot be stored")
			return false
		}
		return true
	case json.Delim:
		if token == '{' {
			return c.object(at, described) && c.end()
		}
		return c.list(at, described) && c.end()
	default:
		return true
	}
}

// end reads the end of an object or a list.
func (c *bodyCheck) end() bool {
	_, err := c.decoder.Token()
	return err == nil
}

func (c *bodyCheck) object(at string, described *huma.Schema) bool {
	seen := map[string]bool{}
	for c.decoder.More() {
		token, err := c.decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return false
		}
		place := at + "." + name
		field := described.Properties[name]
		switch {
		case seen[name]:
			c.problem.addError(place, "is given twice; give it once")
		case field == nil && described.Type == huma.TypeObject:
			c.problem.addError(place, unknownField(described, name))
		}
		if len(c.problem.Errors) == schema.MaxProblems {
			return false
		}
		seen[name] = true
		if field == nil {
			if !c.skip() {
				return false
			}
		} else if !c.value(place, field) {
			return false
		}
	}
	for _, name := range described.Required {
		if !seen[name] {
			c.problem.addError(at, "needs the field "+name)
		}
	}
	return true
}

func unknownField(described *huma.Schema, name string) string {
	for _, known := range fieldsOf(described) {
		if strings.EqualFold(known, name) {
			return "the name of the field is " + known
		}
	}
	return "there is no such field" + withNames("; the fields are ", fieldsOf(described))
}

func (c *bodyCheck) list(at string, described *huma.Schema) bool {
	for i := 0; c.decoder.More(); i++ {
		if described.MaxItems != nil && i == *described.MaxItems {
			c.problem.addError(at, "must be "+valueOf(described))
			return false
		}
		if described.Items == nil { // huma reports that the value must not be a list
			if !c.skip() {
				return false
			}
		} else if !c.value(at+"["+strconv.Itoa(i)+"]", described.Items) {
			return false
		}
	}
	return true
}

// skip skips a value that is refused anyway.
func (c *bodyCheck) skip() bool {
	var value json.RawMessage
	return c.decoder.Decode(&value) == nil
}

// hasLoneSurrogate reports whether a \u escape encodes half of a surrogate pair. encoding/json replaces it without an
// error.
func hasLoneSurrogate(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 || i+1 >= len(data) {
			return false
		}
		data = data[i:]
		code, ok := escaped(data)
		switch {
		case !ok:
			data = data[2:]
		case !utf16.IsSurrogate(code):
			data = data[6:]
		default:
			low, ok := escaped(data[6:])
			if !ok || utf16.DecodeRune(code, low) == utf8.RuneError {
				return true
			}
			data = data[12:]
		}
	}
}

// escaped decodes a \u escape at the beginning of the data; ok is false if there is none.
func escaped(data []byte) (code rune, ok bool) {
	if len(data) < 6 || !slices.Equal(data[:2], []byte(`\u`)) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	return rune(n), err == nil
}

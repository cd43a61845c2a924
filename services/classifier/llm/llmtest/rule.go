package llmtest

import (
	"encoding/json"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
)

// Rule answers a request by its schema: it fills each required field with a value that the schema allows, chosen by a
// hash of the text, so that the same question always has the same answer. An integer is the index of a candidate: the
// first one in most answers, sometimes the second. In one answer of twenty every field that may be null is null.
// The candidates are the lines of the text that begin with [0, [1, and so on.
func Rule(schema json.RawMessage, text string) []byte {
	return answer(schema, text, None)
}

// candidate is a line with a candidate.
var candidate = regexp.MustCompile(`(?m)^\s*\[(\d+),`)

// schemaNode is the part of a JSON schema that the rule understands.
type schemaNode struct {
	Type       any                   `json:"type"`
	Enum       []any                 `json:"enum"`
	Properties map[string]schemaNode `json:"properties"`
	Required   []string              `json:"required"`
	Items      *schemaNode           `json:"items"`
}

// writer writes one answer.
type writer struct {
	hash       uint32
	candidates int
	fault      Fault
	null       bool
}

func answer(schema json.RawMessage, text string, fault Fault) []byte {
	var node schemaNode
	if json.Unmarshal(schema, &node) != nil {
		return []byte(`"ok"`) // a request without a schema
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(text)) // it returns no error
	w := writer{hash: hash.Sum32(), fault: fault, candidates: len(candidate.FindAllString(text, -1))}
	w.null = fault == None && w.hash%20 == 0 || w.candidates == 0
	return []byte(w.object(node))
}

// object writes the fields in the order in which the schema requires them.
func (w writer) object(node schemaNode) string {
	var fields []string
	for i, name := range node.Required {
		field := node.Properties[name]
		text := strconv.Quote(name) + ":" + w.value(field, i)
		fields = append(fields, text)
		if w.fault == DuplicateKeys {
			fields = append(fields, strconv.Quote(name)+":"+w.value(field, i+1))
		}
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// value writes a value that the node allows. salt differs between the fields.
func (w writer) value(node schemaNode, salt int) string {
	kind, nullable := kindOf(node.Type)
	switch {
	case nullable && w.null:
		return "null"
	case len(node.Enum) > 0 && w.fault == InventedTier:
		return `"Top Secret"`
	case len(node.Enum) > 0:
		return w.choose(node.Enum, salt)
	}
	switch kind {
	case "integer", "number":
		return strconv.Itoa(w.index())
	case "boolean":
		return strconv.FormatBool(w.hash>>(salt%16)&1 == 1)
	case "array":
		if node.Items == nil || len(node.Items.Enum) > 0 || w.candidates == 0 {
			return "[]"
		}
		return "[" + w.value(*node.Items, salt) + "]"
	case "object":
		return w.object(node)
	default:
		return `"The test server chooses by a fixed rule."`
	}
}

// choose returns a value of the list that is not null.
func (w writer) choose(enum []any, salt int) string {
	var texts []string
	for _, value := range enum {
		if text, ok := value.(string); ok {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		return "null"
	}
	return strconv.Quote(texts[(int(w.hash>>8)+salt)%len(texts)])
}

// index returns the index of a candidate.
func (w writer) index() int {
	switch {
	case w.fault == WrongIndex:
		return w.candidates + 1000
	case w.hash%10 == 1 && w.candidates > 1:
		return 1
	default:
		return 0
	}
}

// kindOf returns the type of a node, and whether it may be null.
func kindOf(declared any) (kind string, nullable bool) {
	switch t := declared.(type) {
	case string:
		return t, false
	case []any:
		for _, one := range t {
			if text, ok := one.(string); ok && text != "null" {
				kind = text
			} else {
				nullable = true
			}
		}
	}
	return kind, nullable
}

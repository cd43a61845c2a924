package llm

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

//go:embed prompt.txt
var promptText string

const (
	// maxName and maxText are the number of characters of an imported name and of another imported text that are sent.
	maxName, maxText = 200, 400
	// maxAnswerTokens bounds the reply.
	maxAnswerTokens = 700
	// maxEcho is the number of bytes of a reply that are sent back in a repair.
	maxEcho = 2000
)

// Prompt is the prompt file with the tiers and the laws of a policy. It is immutable.
type Prompt struct {
	version  string
	system   string
	sections map[string]string
	// laws are the texts of the policy's laws by their names.
	laws         map[string]string
	answerSchema json.RawMessage
}

// NewPrompt returns the built-in prompt file, filled from the policy.
func NewPrompt(p *policy.Policy) *Prompt {
	version, sections := parsePrompt(promptText)
	prompt := &Prompt{version: version, sections: sections, laws: map[string]string{}}
	names := make([]string, len(p.Laws))
	for i, law := range p.Laws {
		names[i], prompt.laws[law.Name] = law.Name, law.Text
	}
	prompt.system = strings.NewReplacer("{tiers}", tiers(p), "{laws}", strings.Join(names, ", ")+".").
		Replace(sections["system"])
	prompt.answerSchema = answerSchema(names)
	return prompt
}

// parsePrompt splits the prompt file into its version and its sections.
func parsePrompt(text string) (version string, sections map[string]string) {
	head, rest, _ := strings.Cut(text, "\n--- ")
	first, _, _ := strings.Cut(head, "\n")
	sections = map[string]string{}
	for section := range strings.SplitSeq(rest, "\n--- ") {
		name, body, _ := strings.Cut(section, "\n")
		sections[name] = strings.TrimSpace(body)
	}
	return strings.TrimPrefix(first, "prompt "), sections
}

// meanings are the definitions of the tiers that do not depend on the policy.
var meanings = map[schema.Tier]string{
	schema.TierHRCI:         "highly restricted: its leak lets others act as a person, or reveals a score or a secret",
	schema.TierConfidential: "data of customers, accounts and people, and figures that are not published",
	schema.TierProprietary:  "codes, names and settings that the bank made itself and that reveal no customer",
	schema.TierPublic:       "what anyone can read: published figures, places no finer than a state, public code lists",
}

// tiers returns the definitions of the tiers: for each the kinds of information to which the policy's rules give it.
func tiers(p *policy.Policy) string {
	var b strings.Builder
	for _, tier := range schema.Tiers() {
		var kinds []string
		for i := range p.Rules {
			if p.Rules[i].Tier == tier {
				kinds = append(kinds, p.Rules[i].Name)
			}
		}
		fmt.Fprintf(&b, "%s: %s. In the bank's policy: %s.\n", tier, meanings[tier], strings.Join(kinds, "; "))
	}
	return strings.TrimSpace(b.String())
}

// Version returns the version of the prompt file.
func (p *Prompt) Version() string { return p.version }

// Digest identifies everything in the prompt that is the same for all mappings: the file, and what it takes from the
// policy.
func (p *Prompt) Digest() string {
	sum := sha256.Sum256([]byte(p.system + p.sections["answer"] + p.sections["classify"] + p.sections["tables"]))
	return hex.EncodeToString(sum[:6])
}

// Question is what a model is asked about one mapping. It has metadata only.
type Question struct {
	// Report is the name of the filing.
	Report    string
	Attribute schema.Attribute
	// Maps asks for a column as well; Candidates are those to choose from, the best first.
	Maps       bool
	Candidates []schema.SourceColumn
	// Tables, if there are any, are those that the model names before it chooses a column, the most promising first.
	Tables []Table
	// Column is the column that feeds the attribute if the question does not ask for one; nil if none does.
	Column *schema.SourceColumn
}

// data is the imported text of a question. Every field is metadata, and no other is sent.
type data struct {
	head head
	// rows are the candidates, each with its index, or the column that is decided. rowsAre describes them.
	rows    []row
	rowsAre string
}

type head struct {
	Report    string    `json:"report,omitempty"`
	Attribute attribute `json:"attribute"`
}

type row []any

type attribute struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Type        string `json:"type,omitempty"`
	Line        string `json:"line,omitempty"`
	Technical   string `json:"technical_name,omitempty"`
	MDRM        string `json:"mdrm,omitempty"`
	Mandatory   bool   `json:"mandatory,omitempty"`
	Critical    bool   `json:"critical_data_element,omitempty"`
	PrimaryKey  bool   `json:"primary_key,omitempty"`
}

// Answer returns the request that asks for the answer to the question.
func (p *Prompt) Answer(q Question) provider.Request {
	section := "answer"
	d := data{head: head{shorten(q.Report, maxName), attributeOf(q.Attribute)}}
	switch {
	case q.Maps:
		d.rowsAre = "candidates: index, column, type, description"
		for i, column := range q.Candidates {
			d.rows = append(d.rows, append(row{i}, columnRow(column)...))
		}
	default:
		section, d.rowsAre = "classify", "the column that feeds it: column, type, description"
		if q.Column != nil {
			d.rows = []row{columnRow(*q.Column)}
		}
	}
	text := strings.Replace(p.sections[section], "{data}", block(d), 1)
	return provider.Request{
		System: p.system, SchemaName: "mapping_answer", Schema: p.answerSchema, MaxOutputTokens: maxAnswerTokens,
		Messages: []provider.Message{{Role: provider.RoleUser, Text: text}},
	}
}

// repair returns the request that asks again after a reply with these problems.
func (p *Prompt) repair(r provider.Request, reply, problems string) provider.Request {
	reply = strings.ToValidUTF8(reply, "?")
	if len(reply) > maxEcho {
		reply = strings.ToValidUTF8(reply[:maxEcho], "")
	}
	text := strings.Replace(p.sections["repair"], "{problems}", problems, 1)
	r.Messages = append(r.Messages[:len(r.Messages):len(r.Messages)],
		provider.Message{Role: provider.RoleAssistant, Text: cmp.Or(strings.TrimSpace(reply), "(nothing)")},
		provider.Message{Role: provider.RoleUser, Text: text})
	return r
}

func attributeOf(a schema.Attribute) attribute {
	return attribute{
		Name: shorten(a.AttributeName, maxName), Description: describe(a.Description, maxText),
		Type: shorten(a.DataType, maxName), Line: shorten(a.LineItemNumber, maxName),
		Technical: shorten(a.TechnicalLineItemName, maxName), MDRM: shorten(a.MDRM, maxName),
		Mandatory: a.IsMandatory, Critical: a.IsCDE, PrimaryKey: a.IsPrimaryKey,
	}
}

// columnRow returns the name, the type and the description of a column.
func columnRow(c schema.SourceColumn) row {
	return row{
		shorten(c.SourceField(), maxName), shorten(c.DataType, maxName), describe(c.Description, maxText/2),
	}
}

// block returns the data as JSON, with one row in a line, in which no < or > occurs.
func block(d data) string {
	lines := []string{"<data>", encode(d.head)}
	for i, r := range d.rows {
		if i == 0 {
			lines = append(lines, d.rowsAre)
		}
		lines = append(lines, encode(r))
	}
	return strings.Join(append(lines, "</data>"), "\n")
}

// encode returns a value as JSON on one line. It escapes < and >.
func encode(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("data of a prompt: %v", err)) // not possible: every field can be encoded
	}
	return string(text)
}

// value matches what looks like a value in a description and is not metadata: a long number or an address.
var value = regexp.MustCompile(`\d[\d -]{4,}\d|[\w.+-]+@[\w-]+\.[\w.]+`)

// describe is shorten for a description, without what looks like a value.
func describe(text string, limit int) string {
	return shorten(value.ReplaceAllString(text, "#"), limit)
}

// shorten makes an imported text fit for a prompt: on one line, and at most limit characters long.
func shorten(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || !unicode.IsPrint(r)
	}), " ")
	if utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit]) + "…"
	}
	return text
}

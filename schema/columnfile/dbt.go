package columnfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pdeflow/pdeflow/schema"
)

// dbtNode is a node of manifest.json: a model, a seed, a snapshot or a source.
type dbtNode struct {
	ResourceType string `json:"resource_type"`
	Database     string `json:"database"`
	Schema       string `json:"schema"`
	Name         string `json:"name"`
	// Alias is the name of the table of a model, and Identifier that of a source.
	Alias      string `json:"alias"`
	Identifier string `json:"identifier"`
	Config     struct {
		Materialized string `json:"materialized"`
	} `json:"config"`
	Columns map[string]struct {
		Name        string `json:"name"`
		DataType    string `json:"data_type"`
		Description string `json:"description"`
	} `json:"columns"`
}

// readManifest reads manifest.json, one node after another, because it may be large.
func (r *reader) readManifest(content []byte) {
	in := json.NewDecoder(bytes.NewReader(content))
	line := lineCounter{text: content}
	err := eachMember(in, func(section string) error {
		if section != "nodes" && section != "sources" {
			return skip(in)
		}
		return eachMember(in, func(string) error {
			at := line.at(int(in.InputOffset()))
			var node dbtNode
			if err := in.Decode(&node); err != nil {
				return err
			}
			r.addNode(at, node)
			return nil
		})
	})
	if err != nil {
		r.problem(line.at(int(errorOffset(in, err))), "", "the file is not the manifest.json of dbt: "+jsonReason(err))
		return
	}
	if len(r.rows) == 0 && len(r.problems.First) == 0 {
		r.problem(0, "", "no model and no source in the manifest has columns; describe them in the project")
	}
}

// addNode adds the columns of a node that is a table or a view.
func (r *reader) addNode(line int, node dbtNode) {
	if !slices.Contains([]string{"model", "seed", "snapshot", "source"}, node.ResourceType) ||
		node.Config.Materialized == "ephemeral" {
		return
	}
	table := node.Name
	for _, name := range []string{node.Alias, node.Identifier} {
		if name != "" {
			table = name
		}
	}
	for _, key := range slices.Sorted(maps.Keys(node.Columns)) {
		c := node.Columns[key]
		r.add(line, schema.ColumnRow{
			DataSource: node.Database, SchemaName: node.Schema, TableName: table, ColumnName: c.Name,
			DataType: c.DataType, Description: c.Description,
		})
	}
}

// eachMember calls read for each member of the object that is next. Read decodes the value.
func eachMember(in *json.Decoder, read func(name string) error) error {
	if token, err := in.Token(); err != nil {
		return err
	} else if token != json.Delim('{') {
		return errNoObject
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return err
		}
		text, _ := name.(string) // the decoder accepts no other names
		if err := read(text); err != nil {
			return err
		}
	}
	_, err := in.Token()
	return err
}

var errNoObject = errors.New("an object is expected")

// skip skips the value that is next, without keeping it.
func skip(in *json.Decoder) error {
	for depth := 0; ; {
		token, err := in.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// errorOffset returns the offset at which decoding has failed.
func errorOffset(in *json.Decoder, err error) int64 {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return syntax.Offset
	}
	return in.InputOffset()
}

// jsonReason explains an error of the decoder without a value of the file.
func jsonReason(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return wrong.Field + " has another type"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	if errors.Is(err, errNoObject) {
		return err.Error()
	}
	return "it is not well-formed JSON"
}

// lineCounter returns the lines of growing offsets of a text.
type lineCounter struct {
	text      []byte
	pos, line int
}

func (c *lineCounter) at(offset int) int {
	offset = min(max(offset, c.pos), len(c.text))
	c.line += bytes.Count(c.text[c.pos:offset], []byte("\n"))
	c.pos = offset
	return c.line + 1
}

// dbtProperties is a schema.yml of dbt.
type dbtProperties struct {
	Models    []dbtTable  `yaml:"models"`
	Seeds     []dbtTable  `yaml:"seeds"`
	Snapshots []dbtTable  `yaml:"snapshots"`
	Sources   []dbtSource `yaml:"sources"`
}

type dbtSource struct {
	Name     string     `yaml:"name"`
	Schema   string     `yaml:"schema"`
	Database string     `yaml:"database"`
	Tables   []dbtTable `yaml:"tables"`
}

type dbtTable struct {
	Name string `yaml:"name"`
	// Identifier is the name of the table of a source, and Config.Alias that of a model.
	Identifier string `yaml:"identifier"`
	Config     struct {
		Schema   string `yaml:"schema"`
		Database string `yaml:"database"`
		Alias    string `yaml:"alias"`
	} `yaml:"config"`
	Columns []dbtColumn `yaml:"columns"`
}

type dbtColumn struct {
	Name        string
	DataType    string
	Description string
	line        int
}

// UnmarshalYAML implements [yaml.Unmarshaler], and keeps the line of the column.
func (c *dbtColumn) UnmarshalYAML(node *yaml.Node) error {
	var fields struct {
		Name        string `yaml:"name"`
		DataType    string `yaml:"data_type"`
		Description string `yaml:"description"`
	}
	err := node.Decode(&fields)
	*c = dbtColumn{fields.Name, fields.DataType, fields.Description, node.Line}
	return err
}

// yamlLine matches the line in an error of the library.
var yamlLine = regexp.MustCompile(`line (\d+)`)

// readProperties reads a schema.yml. The schema of a model is not in it unless its config names one.
func (r *reader) readProperties(content []byte) {
	var file dbtProperties
	if err := yaml.Unmarshal(content, &file); err != nil {
		line := 0
		if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
			line, _ = strconv.Atoi(found[1])
		}
		r.problem(line, "", "the file is not a schema.yml of dbt, or not well-formed YAML")
		return
	}
	for _, s := range file.Sources {
		for _, t := range s.Tables {
			schemaName := s.Schema
			if schemaName == "" {
				schemaName = s.Name // as in dbt
			}
			if t.Identifier == "" {
				t.Identifier = t.Name
			}
			r.addTable(s.Database, schemaName, t.Identifier, t.Columns)
		}
	}
	for _, t := range slices.Concat(file.Models, file.Seeds, file.Snapshots) {
		schemaName, name := t.Config.Schema, t.Config.Alias
		if schemaName == "" {
			schemaName = r.source
		}
		if name == "" {
			name = t.Name
		}
		r.addTable(t.Config.Database, schemaName, name, t.Columns)
	}
	if len(r.rows) == 0 && len(r.problems.First) == 0 {
		r.problem(0, "", "no model and no source in the file has columns")
	}
}

func (r *reader) addTable(database, schemaName, table string, columns []dbtColumn) {
	for _, c := range columns {
		if name := database + schemaName + table + c.Name; strings.Contains(name, "{{") {
			r.problem(
				c.line,
				table,
				"a name is an expression of Jinja; import target/manifest.json, which has its value",
			)
			return
		}
		r.add(c.line, schema.ColumnRow{
			DataSource: database, SchemaName: schemaName, TableName: table, ColumnName: c.Name, DataType: c.DataType,
			Description: c.Description,
		})
	}
}

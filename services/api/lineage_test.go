package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pdeflow/pdeflow/schema"
)

// lineageEvent has what the tests read of an event.
type lineageEvent struct {
	EventType string           `json:"eventType"`
	Inputs    []lineageDataset `json:"inputs"`
	Outputs   []lineageDataset `json:"outputs"`
}

type lineageDataset struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Facets    struct {
		Version struct {
			DatasetVersion string `json:"datasetVersion"`
		} `json:"version"`
		Schema struct {
			Fields []struct {
				Name string `json:"name"`
				Type string `json:"type"`
			} `json:"fields"`
		} `json:"schema"`
		ColumnLineage struct {
			Fields map[string]struct {
				InputFields []struct {
					Namespace       string `json:"namespace"`
					Name            string `json:"name"`
					Field           string `json:"field"`
					Transformations []struct {
						Type, Subtype, Description string
						Masking                    *bool
					} `json:"transformations"`
				} `json:"inputFields"`
			} `json:"fields"`
		} `json:"columnLineage"`
		Tags struct {
			Tags []struct{ Key, Value, Source, Field string } `json:"tags"`
		} `json:"tags"`
	} `json:"facets"`
}

// lineage exports the event and validates it and its facets by the schemas of the specification.
func (f *fixture) lineage(query string) lineageEvent {
	f.T.Helper()
	a := f.export("openlineage", query)
	event := must[lineageEvent](f.T, a, http.StatusOK)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	files, err := filepath.Glob("testdata/openlineage/*.json")
	if err != nil || len(files) != 5 {
		f.T.Fatalf("got schemas %v (%v), want five", files, err)
	}
	urls := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.T.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			f.T.Fatal(err)
		}
		url := document.(map[string]any)["$id"].(string)
		urls[filepath.Base(file)] = url
		if err := compiler.AddResource(url, document); err != nil {
			f.T.Fatal(err)
		}
	}
	valid := func(url string, value any) {
		f.T.Helper()
		schema, err := compiler.Compile(url)
		if err != nil {
			f.T.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			f.T.Errorf("%s: got %v, want a valid event", url, err)
		}
	}
	whole, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
	if err != nil {
		f.T.Fatal(err)
	}
	valid(urls["OpenLineage.json"]+"#/$defs/RunEvent", whole)
	valid(urls["OpenLineage.json"], whole)
	for _, list := range []string{"inputs", "outputs"} {
		for _, dataset := range whole.(map[string]any)[list].([]any) {
			facets := dataset.(map[string]any)["facets"].(map[string]any)
			for name, facet := range facets {
				url := facet.(map[string]any)["_schemaURL"].(string)
				valid(strings.TrimSuffix(url[:strings.Index(url, "#")], "#"), map[string]any{name: facet})
				valid(url, facet)
			}
		}
	}
	return event
}

func TestExportMappings_WritesOpenLineage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(1203) // three pages
	mapped := []string{ids[0], ids[1], ids[600], ids[1201], ids[1202]}
	f.classified(mapped...)
	for i, kind := range schema.MappingTypes() {
		f.Exec("update pde_mappings set mapping_type = ?, transformation_rule = nullif(?, '') where id = ?", kind,
			[]string{"", "a \"sum\"", "", "if x"}[i], mapped[i])
	}
	f.Exec("update attributes set attribute_name = 'Balance', line_item_number = '7' where id = ?",
		f.mapping(ids[1201]).AttributeID)
	f.Exec("update attributes set attribute_name = 'Balance', line_item_number = '8', mdrm = 'M1' where id = ?",
		f.mapping(ids[1202]).AttributeID)

	f.Exec("insert into source_columns select (jsonb_populate_record(c, jsonb_build_object('id', 'second', " +
		"'identity', 'core\naccounts\nopened', 'column_name', 'opened'))).* from source_columns c limit 1")
	f.Exec("update pde_mappings set source_fields = "+
		"'[\"core.accounts.acct_nbr\", \"core.accounts.opened\"]' where id = ?", ids[1])
	event := f.lineage("")
	if event.EventType != "COMPLETE" || len(event.Outputs) != 1 || len(event.Inputs) != 1 {
		t.Fatalf("got %s with %d outputs and %d inputs, want COMPLETE with one of each",
			event.EventType, len(event.Outputs), len(event.Inputs))
	}
	out := event.Outputs[0]
	if out.Namespace != "pdeflow" || out.Name != report || out.Facets.Version.DatasetVersion != cycle {
		t.Errorf("output: got %s %s, version %s, want pdeflow, the report and the cycle",
			out.Namespace, out.Name, out.Facets.Version.DatasetVersion)
	}
	got := map[string]string{}
	for name, field := range out.Facets.ColumnLineage.Fields {
		input := field.InputFields[0]
		how := input.Transformations[0]
		got[name] = fmt.Sprintf("%s %s %s %s", input.Name, input.Field, how.Subtype, how.Description)
		for _, other := range field.InputFields[1:] {
			got[name] += " " + other.Name + " " + other.Field
		}
		if how.Type != "DIRECT" || (how.Masking != nil) != (how.Subtype == "IDENTITY") {
			t.Errorf("%s: got %+v, want DIRECT, and masking unless the value is copied", name, how)
		}
	}
	want := map[string]string{
		"Attribute 0":     "core.accounts acct_nbr IDENTITY direct",
		"Attribute 1":     `core.accounts acct_nbr TRANSFORMATION calculated: a "sum" core.accounts opened`,
		"Attribute 600":   "core.accounts acct_nbr TRANSFORMATION lookup",
		"Balance (7)":     "core.accounts acct_nbr TRANSFORMATION conditional: if x",
		"Balance (8, M1)": "core.accounts acct_nbr IDENTITY direct",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lineage (-want +got):\n%s", diff)
	}
	if fields := out.Facets.Schema.Fields; len(fields) != len(want) || fields[4].Name != "Balance (8, M1)" {
		t.Errorf("got fields %+v, want one for each mapping, the fifth with its item and MDRM", fields)
	}
	tags := out.Facets.Tags.Tags
	if len(tags) != 5*len(want) || fmt.Sprint(tags[0]) !=
		"{information_security_classification Confidential pdeflow Attribute 0}" {
		t.Errorf("got %d tags, the first %v, want five for each mapping, the first the tier of attribute 0",
			len(tags), tags[0])
	}
	in := event.Inputs[0]
	if in.Name != "core.accounts" || in.Namespace != "cards" || len(in.Facets.Schema.Fields) == 0 {
		t.Errorf("got input %+v, want the table core.accounts of cards", in)
	}
	filtered := f.lineage("&q=Balance&sort=-id")
	if fields := filtered.Outputs[0].Facets.ColumnLineage.Fields; len(fields) != 2 {
		t.Errorf("filtered: got %d fields, want 2", len(fields))
	}
	none := f.lineage("&unmapped=true")
	if len(none.Inputs) != 0 || len(none.Outputs[0].Facets.ColumnLineage.Fields) != 0 {
		t.Errorf("unmapped: got %+v, want no lineage", none)
	}
	var header struct {
		Run struct {
			RunID string `json:"runId"`
		} `json:"run"`
	}
	for _, previous := range []string{"", header.Run.RunID} {
		a := f.export("openlineage", "&q=Balance")
		if err := json.Unmarshal([]byte(a.body), &header); err != nil || header.Run.RunID == previous {
			t.Errorf("got run %s (%v), want another one", header.Run.RunID, err)
		}
		if got := a.header.Get("Content-Disposition"); !strings.HasSuffix(got, "-"+report+".openlineage.json") {
			t.Errorf("got Content-Disposition %s, want the name of the report", got)
		}
	}
}

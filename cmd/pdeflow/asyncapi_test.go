package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// asyncAPI is what the test reads of the description of the messages.
type asyncAPI struct {
	Components struct {
		Messages map[string]struct {
			Name, Title string
			Payload     struct {
				Ref string `yaml:"$ref"`
			}
		}
	}
	compiler *jsonschema.Compiler
}

func readAsyncAPI(t *testing.T) asyncAPI {
	t.Helper()
	file, err := os.ReadFile("../../events/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var description asyncAPI
	var document map[string]any
	if err := yaml.Unmarshal(file, &description); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(file, &document); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	description.compiler = jsonschema.NewCompiler()
	description.compiler.AssertFormat()
	if err := description.compiler.AddResource("asyncapi.json", whole); err != nil {
		t.Fatal(err)
	}
	return description
}

// check returns how the value differs from the schema in the description.
func (a asyncAPI) check(t *testing.T, ref string, text []byte) error {
	t.Helper()
	compiled, err := a.compiler.Compile("asyncapi.json" + ref)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

// payload returns the reference to the schema of the message, or "" if the description has no such message.
func (a asyncAPI) payload(ceType string, body []byte) string {
	var progress struct{ Kind string }
	_ = json.Unmarshal(body, &progress) // checked by the schema
	for _, message := range a.Components.Messages {
		if message.Name == ceType && (message.Title == "" || message.Title == progress.Kind) {
			return message.Payload.Ref
		}
	}
	return ""
}

func TestTheEventsOfAJobAreAsTheirDescription(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := schematest.Report(t, f.db, 20)
	f.finish(f.regenerate())
	path := "/planning/cycles/" + schematest.CycleID + "/reports/" + schematest.ReportID
	if code, body := f.do(http.MethodPost, path+"/pde-mappings/"+ids[0]+"/review",
		map[string]string{"decision": "approved"}); code != http.StatusOK {
		t.Fatalf("review: got %d, %s", code, body)
	}
	if code, body := f.do(http.MethodPost, path+"/data-sources", map[string]string{"name": "Cards"}); code >= 300 {
		t.Fatalf("data source: got %d, %s", code, body)
	}
	for _, table := range []string{"classification_history", "planning_changes"} {
		f.eventually("the changes are published", "select count(*) = 0 from "+table+" where not published")
	}
	f.eventually("the end is published", "select not exists (select from jobs where not published_finished)")
	description := readAsyncAPI(t)
	seen := map[string]bool{}
	for _, message := range f.messages() {
		ref := description.payload(message.Header.Get("ce-type"), message.Data)
		if ref == "" {
			t.Errorf("%s: the description has no message of its type: %s", message.Subject, message.Data)
			continue
		}
		seen[ref] = true
		if err := description.check(t, ref, message.Data); err != nil {
			t.Errorf("%s: %v in %s", message.Subject, err, message.Data)
		}
		headers := map[string]string{}
		for name := range message.Header {
			headers[name] = message.Header.Get(name)
		}
		text, err := json.Marshal(headers)
		if err != nil {
			t.Fatal(err)
		}
		if err := description.check(t, "#/components/messageTraits/CloudEvent/headers", text); err != nil {
			t.Errorf("headers of %s: %v in %s", message.Subject, err, text)
		}
	}
	for _, name := range []string{
		"RegenerateRequested", "JobStarted", "JobListed", "JobItem", "JobStatus", "MappingChanged", "PlanningChanged",
	} {
		if !seen["#/components/schemas/"+name] {
			t.Errorf("no message has the schema %s: got %v", name, seen)
		}
	}
}

// messages returns all messages of the stream of events.
func (f *fixture) messages() (all []*jetstream.RawStreamMsg) {
	f.t.Helper()
	nc, err := events.Connect(f.nats.URL(), "test", "", f.log.Logger())
	if err != nil {
		f.t.Fatal(err)
	}
	defer nc.Close()
	js, err := events.JetStream(nc)
	if err != nil {
		f.t.Fatal(err)
	}
	stream, err := js.Stream(f.t.Context(), events.StreamEvents)
	if err != nil {
		f.t.Fatal(err)
	}
	for seq := stream.CachedInfo().State.FirstSeq; seq <= stream.CachedInfo().State.LastSeq; seq++ {
		message, err := stream.GetMsg(f.t.Context(), seq)
		if err != nil {
			f.t.Fatal(err)
		}
		all = append(all, message)
	}
	return all
}

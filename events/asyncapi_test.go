package events_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// asyncAPI is what the tests read of the description.
type asyncAPI struct {
	Version  string `yaml:"asyncapi"`
	Channels map[string]struct {
		Address    string
		Parameters map[string]ref
		Messages   map[string]ref
	}
	Operations map[string]struct {
		Action  string
		Channel ref
	}
	Components struct {
		Parameters    map[string]struct{ Enum []string }
		MessageTraits map[string]struct{ Headers object } `yaml:"messageTraits"`
		Messages      map[string]struct {
			Name    string
			Payload ref
			Traits  []ref
		}
		Schemas map[string]object
	}
}

type ref struct {
	Ref string `yaml:"$ref"`
}

// name is the last part of what the reference points to.
func (r ref) name() string { return r.Ref[strings.LastIndex(r.Ref, "/")+1:] }

type object struct {
	ref        `yaml:",inline"`
	Type       words
	Const      string
	Enum       []string
	Required   []string
	Properties map[string]object
}

// words is a word or a list of words.
type words []string

func (w *words) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode((*[]string)(w))
	}
	*w = words{node.Value}
	return nil
}

func readAsyncAPI(t *testing.T) asyncAPI {
	t.Helper()
	file, err := os.ReadFile("asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var api asyncAPI
	if err := yaml.Unmarshal(file, &api); err != nil {
		t.Fatal(err)
	}
	return api
}

// bodies are the Go types of the schemas.
func bodies() map[string]reflect.Type {
	return map[string]reflect.Type{
		"RegenerateRequested": reflect.TypeFor[events.RegenerateRequested](),
		"MappingRequested":    reflect.TypeFor[events.MappingRequested](),
		"MappingChanged":      reflect.TypeFor[events.MappingChanged](),
		"PlanningChanged":     reflect.TypeFor[events.PlanningChanged](),
		"PlanningCounts":      reflect.TypeFor[schema.PlanningCounts](),
		"PlanningCount":       reflect.TypeFor[schema.PlanningCount](),
		"MappingRejected":     reflect.TypeFor[events.MappingRejected](),
		"JobStatus":           reflect.TypeFor[events.JobStatus](),
		"JobResult":           reflect.TypeFor[events.JobResult](),
		"Classifications":     reflect.TypeFor[events.Classifications](),
		"JobMetadata":         reflect.TypeFor[events.JobMetadata](),
		"Usage":               reflect.TypeFor[events.Usage](),
	}
}

// kinds are the parts of progress that each kind has besides the job and the kind.
func kinds() map[events.ProgressKind]reflect.Type {
	return map[events.ProgressKind]reflect.Type{
		events.KindStarted:   reflect.TypeFor[struct{}](),
		events.KindListed:    reflect.TypeFor[events.Listed](),
		events.KindItem:      reflect.TypeFor[events.Item](),
		events.KindWaiting:   reflect.TypeFor[events.Waiting](),
		events.KindPaused:    reflect.TypeFor[events.Intended](),
		events.KindResumed:   reflect.TypeFor[events.Intended](),
		events.KindCancelled: reflect.TypeFor[events.Intended](),
		events.KindBell:      reflect.TypeFor[struct{}](),
	}
}

// values are the types with a closed list of values, by the name of their schema.
func values() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[schema.JobType]():        texts(schema.JobTypes()),
		reflect.TypeFor[schema.Status]():         texts(schema.Statuses()),
		reflect.TypeFor[schema.ClassifierKind](): texts(schema.ClassifierKinds()),
		reflect.TypeFor[events.Reason]():         texts(events.Reasons()),
		reflect.TypeFor[schema.PlanningAction](): texts(schema.PlanningActions()),
		reflect.TypeFor[schema.PlanningObject](): texts(schema.PlanningObjects()),
		// Cancelled items have no event of their own.
		reflect.TypeFor[schema.Outcome](): {"succeeded", "skipped", "failed"},
	}
}

func texts[T ~string](list []T) []string {
	var s []string
	for _, v := range list {
		s = append(s, string(v))
	}
	return s
}

func TestAsyncAPIDescribesEverySubjectAndType(t *testing.T) {
	t.Parallel()
	api := readAsyncAPI(t)
	if api.Version != "3.0.0" {
		t.Errorf("version: got %s, want 3.0.0", api.Version)
	}
	parameter := regexp.MustCompile(`\{(\w+)\}`)
	var addresses, sent []string
	for name, channel := range api.Channels {
		address := parameter.ReplaceAllString(channel.Address, "*")
		addresses = append(addresses, address)
		var inAddress []string
		for _, match := range parameter.FindAllStringSubmatch(channel.Address, -1) {
			inAddress = append(inAddress, match[1])
		}
		slices.Sort(inAddress)
		if !slices.Equal(inAddress, slices.Sorted(maps.Keys(channel.Parameters))) {
			t.Errorf("parameters of %s: got %v, want %v", name, slices.Sorted(maps.Keys(channel.Parameters)), inAddress)
		}
		topic := events.Topic(strings.Join(strings.Split(address, ".")[:2], "."))
		for message, to := range channel.Messages {
			m, ok := api.Components.Messages[to.name()]
			if !ok || m.Name != topic.Type() || len(m.Traits) != 1 || m.Traits[0].name() != "CloudEvent" {
				t.Errorf("%s: message %s: got %+v, want the name of the topic and the trait CloudEvent",
					name, message, m)
			}
			if _, ok := api.Components.Schemas[m.Payload.name()]; !ok {
				t.Errorf("message %s: got no schema of its body, want one", message)
			}
		}
	}
	for _, operation := range api.Operations {
		if operation.Action == "send" {
			sent = append(sent, operation.Channel.name())
		}
	}
	var filters []string
	for _, topic := range events.Topics() {
		filters = append(filters, topic.Filter())
	}
	if diff := cmp.Diff(sorted(filters), sorted(addresses)); diff != "" {
		t.Errorf("subjects of the description (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(api.Channels)), sorted(sent)); diff != "" {
		t.Errorf("channels and operations differ (-channels +operations):\n%s", diff)
	}
	if got := api.Components.Parameters["lane"].Enum; !slices.Equal(got, texts(schema.Lanes())) {
		t.Errorf("lanes: got %v, want %v", got, schema.Lanes())
	}
	if got := api.Components.Parameters["reason"].Enum; !slices.Equal(got, texts(events.Reasons())) {
		t.Errorf("reasons: got %v, want %v", got, events.Reasons())
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func TestAsyncAPIDescribesEveryHeader(t *testing.T) {
	t.Parallel()
	headers := readAsyncAPI(t).Components.MessageTraits["CloudEvent"].Headers
	m := encode(t, events.JobBell("j"))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(m.Header)), slices.Sorted(maps.Keys(headers.Properties))); diff != "" {
		t.Errorf("headers of the description (-want +got):\n%s", diff)
	}
	for _, required := range headers.Required {
		delete(m.Header, required)
	}
	if rest := slices.Sorted(maps.Keys(m.Header)); !slices.Equal(rest, []string{"ce-subject", "traceparent"}) {
		t.Errorf("optional headers: got %v, want ce-subject and traceparent", rest)
	}
}

func TestAsyncAPIDescribesEveryField(t *testing.T) {
	t.Parallel()
	schemas := readAsyncAPI(t).Components.Schemas
	described := map[string]bool{}
	compare := func(name string, want map[string]object) {
		described[name] = true
		got := schemas[name]
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), sorted(got.Required)); diff != "" {
			t.Errorf("%s: required fields of the description (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(want, got.Properties, cmp.Comparer(sameProperty)); diff != "" {
			t.Errorf("%s: fields of the description (-want +got):\n%s", name, diff)
		}
	}
	for name, body := range bodies() {
		compare(name, properties(t, body))
	}
	for kind, part := range kinds() {
		want := properties(t, part)
		want["job_id"] = object{Type: words{"string"}}
		want["kind"] = object{Type: words{"string"}, Const: string(kind)}
		compare("Job"+strings.ToUpper(string(kind[:1]))+string(kind[1:]), want)
	}
	if len(kinds()) != len(events.ProgressKinds()) {
		t.Errorf("kinds of progress: got %v, want %d", events.ProgressKinds(), len(kinds()))
	}
	for of, list := range values() {
		if of == reflect.TypeFor[schema.Outcome]() {
			continue // the field has the list
		}
		described[of.Name()] = true
		if got := schemas[of.Name()].Enum; !slices.Equal(got, list) {
			t.Errorf("%s: values: got %q, want %q", of.Name(), got, list)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(schemas))); diff != "" {
		t.Errorf("schemas (-want +got):\n%s", diff)
	}
}

func sameProperty(a, b object) bool {
	return a.Ref == b.Ref && slices.Equal(a.Type, b.Type) && a.Const == b.Const && slices.Equal(a.Enum, b.Enum)
}

// properties describes the fields of a Go type.
func properties(t *testing.T, of reflect.Type) map[string]object {
	t.Helper()
	all := map[string]object{}
	for field := range of.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name == "" || options != "" {
			t.Errorf("%s.%s: got the tag %q, want a name without options", of.Name(), field.Name, field.Tag)
		}
		all[name] = property(t, field.Type)
	}
	return all
}

func property(t *testing.T, of reflect.Type) object {
	t.Helper()
	if of.Kind() == reflect.Pointer {
		p := property(t, of.Elem())
		if p.Ref == "" {
			p.Type = append(p.Type, "null")
		}
		return p
	}
	if list, ok := values()[of]; ok {
		if of == reflect.TypeFor[schema.Outcome]() {
			return object{Type: words{"string"}, Enum: list}
		}
		return object{ref: ref{"#/components/schemas/" + of.Name()}}
	}
	switch of {
	case reflect.TypeFor[time.Time]():
		return object{Type: words{"string"}}
	case reflect.TypeFor[json.RawMessage]():
		return object{Type: words{"object"}}
	case reflect.TypeFor[[]byte]():
		return object{Type: words{"string", "null"}}
	}
	switch of.Kind() {
	case reflect.String:
		return object{Type: words{"string"}}
	case reflect.Int, reflect.Int64:
		return object{Type: words{"integer"}}
	case reflect.Float64:
		return object{Type: words{"number"}}
	case reflect.Map:
		return object{Type: words{"object", "null"}}
	case reflect.Struct:
		return object{ref: ref{"#/components/schemas/" + of.Name()}}
	default:
		t.Errorf("no schema for %v", of)
		return object{}
	}
}

package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

var update = flag.Bool("update", false, "rewrite testdata")

const (
	jobID     = "0198c5a2-7b1e-7c3d-9a55-0f6f2f1b8a01"
	mappingID = "0198c5a1-02aa-7e10-8d0f-5f0b9c1d2e3f"
	changeID  = "0198c5a1-9c3e-7a41-b0d2-6e5f4a3b2c1d"
)

var moment = time.Date(2026, 11, 24, 9, 30, 15, 250_000_000, time.UTC)

// samples has one event of each kind, by the name of its file in testdata.
func samples() map[string]events.Event {
	finished := moment.Add(9 * time.Second)
	return map[string]events.Event{
		"regenerate.requested": events.RegenerateRequested{
			JobID: jobID, JobType: schema.JobTypePDERegeneration, CycleID: "2026-Q4", ReportID: "fr-y-14m-d1",
			Classifier:  schema.ClassifierRules,
			RequestedBy: "tess", MappingCount: 118,
		},
		"mapping.requested": events.MappingRequested{Lane: schema.LaneRules, JobID: jobID, MappingID: mappingID},
		"mapping.changed": events.MappingChanged{
			MappingID: mappingID, Version: 4, ChangedBy: "tess",
			Before: json.RawMessage(`{"source_field":null,"mapping_confirmed_by_user":false,"version":3}`),
			After: json.RawMessage(
				`{"source_field":"cards.acct_mstr.curr_cr_lmt_amt","mapping_confirmed_by_user":true,"version":4}`,
			),
			Comment: new("the limit after the increase"),
		},
		"planning.changed": events.PlanningChangedOf(schema.PlanningChange{
			ID: changeID, CycleID: "2026-Q4", ReportID: "fr-y-14m-d1", Action: schema.PlanningActionAdded,
			Object:   schema.PlanningObjectAttribute,
			ObjectID: "0198c5a1-0000-7111-8222-333344445555", Name: "Current Credit Limit", ChangedBy: "tess",
			Counts: schema.PlanningCounts{
				Attributes: schema.PlanningCount{Added: 1},
				Mappings:   schema.PlanningCount{Added: 1},
			},
		}),
		"mapping.rejected": events.MappingRejected{
			RejectedSubject: "mapping.requested.rules.j.m", Headers: map[string][]string{
				"ce-id": {"work/j/m"},
			}, Data: []byte("\xffgarbled"),
			Reason: events.ReasonBody, Error: "body: invalid character 'ÿ' looking for beginning of value",
		},
		"job.progress.started": events.JobStarted(jobID),
		"job.progress.listed":  events.JobListed(jobID, 118),
		"job.progress.item": events.JobItemOf(schema.Item{
			JobID: jobID, MappingID: mappingID, Outcome: schema.OutcomeSucceeded, Attempt: 1, Classifier: "rules@1",
			DurationMS: 12,
		}),
		"job.progress.item.failed": events.JobItemOf(schema.Item{
			JobID: jobID, MappingID: mappingID, Outcome: schema.OutcomeFailed, Attempt: 5,
			ErrorCode: schema.ErrorCodeClassifier,
			Error:     "the answer names the tier \"Secret\"", Classifier: "llm:m@2", InputTokens: 900,
			OutputTokens: 60,
			CostUSD:      schema.USDOf(0.0036), DurationMS: 2100,
		}),
		"job.progress.waiting": events.JobWaiting(jobID, events.Waiting{
			WaitingFor: new(
				"the provider's limit of requests per minute",
			), Until: new(moment.Add(time.Minute)), Since: moment,
		}),
		"job.progress.waiting.over": events.JobWaiting(jobID, events.Waiting{Since: moment.Add(time.Minute)}),
		"job.progress.paused": events.JobIntentOf(
			schema.JobIntent{JobID: jobID, Version: 2, Intent: schema.IntentPause},
		),
		"job.progress.resumed": events.JobIntentOf(
			schema.JobIntent{JobID: jobID, Version: 3, Intent: schema.IntentRun},
		),
		"job.progress.cancelled": events.JobIntentOf(
			schema.JobIntent{JobID: jobID, Version: 4, Intent: schema.IntentCancel},
		),
		"job.progress.bell": events.JobBell(jobID),
		"job.finished": events.JobFinished{JobStatus: events.StatusOf(
			schema.Job{
				ID: jobID, JobType: schema.JobTypePDERegeneration, CycleID: "2026-Q4", ReportID: "fr-y-14m-d1",
				Classifier:  schema.ClassifierRules,
				RequestedBy: "tess", RetryOf: "0198c59f-1111-7222-8333-944455566677",
			},
			schema.JobStatus{
				JobID: jobID, Status: schema.StatusFailed, ProgressPercentage: 100,
				CurrentStep: "All mappings are accounted for",
				TotalSteps:  118, CompletedSteps: 118,
				Counts: schema.Counts{
					Succeeded:    115,
					Skipped:      2,
					Failed:       1,
					HRCI:         9,
					Confidential: 70,
					Proprietary:  24,
					Public:       14,
				},
				Message:   "118 mappings: 115 succeeded, 2 skipped, 1 failed, 0 cancelled",
				Error:     "1 of 118 mappings failed, the rest is saved",
				CreatedAt: moment, StartedAt: moment.Add(time.Second), UpdatedAt: finished, CompletedAt: finished,
			},
		)},
	}
}

func encode(t testing.TB, e events.Event) events.Message {
	t.Helper()
	trace, err := events.ParseTraceparent(exampleTrace)
	if err != nil {
		t.Fatal(err)
	}
	m, err := events.Encode(e, source(e), moment, trace)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// source is the service that publishes the event.
func source(e events.Event) schema.Service {
	switch e.Subject().Topic {
	case events.TopicRegenerateRequested:
		return "api"
	case events.TopicJobFinished:
		return "projector"
	case events.TopicMappingRejected:
		return "classifier"
	case events.TopicMappingRequested, events.TopicMappingChanged, events.TopicPlanningChanged,
		events.TopicJobProgress:
		if strings.HasPrefix(e.ID(), "item/") {
			return "classifier"
		}
		return "dispatcher"
	default:
		return "none"
	}
}

// wire shows a message as it travels: the subject, the headers, an empty line, the body.
func wire(m events.Message) []byte {
	var s bytes.Buffer
	fmt.Fprintln(&s, m.Subject)
	for _, name := range slices.Sorted(maps.Keys(m.Header)) {
		fmt.Fprintf(&s, "%s: %s\n", name, strings.Join(m.Header[name], ", "))
	}
	fmt.Fprintf(&s, "\n%s\n", m.Data)
	return s.Bytes()
}

// unwire reads what wire shows.
func unwire(t testing.TB, sample []byte) events.Message {
	t.Helper()
	head, body, ok := bytes.Cut(sample, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok {
		t.Fatal("no empty line")
	}
	m := events.Message{Subject: lines[0], Header: map[string][]string{}, Data: bytes.TrimSuffix(body, []byte("\n"))}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		m.Header[name] = []string{value}
	}
	return m
}

func TestEncode_Golden(t *testing.T) {
	t.Parallel()
	for name, e := range samples() {
		file := filepath.Join("testdata", name+".golden")
		got := wire(encode(t, e))
		if *update {
			if err := os.WriteFile(file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) != len(samples()) {
		t.Errorf("samples: got %d, %v, want %d", len(files), err, len(samples()))
	}
}

func TestDecodeAny_Golden(t *testing.T) {
	t.Parallel()
	for name, want := range samples() {
		sample, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
		if err != nil {
			t.Fatal(err)
		}
		envelope, got, err := events.DecodeAny(unwire(t, sample))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s after reading (-want +got):\n%s", name, diff)
		}
		if envelope.ID != want.ID() || envelope.Source != events.Source(source(want)) || !envelope.Time.Equal(moment) ||
			envelope.Traceparent.String() != exampleTrace {
			t.Errorf("%s: got the envelope %+v, want that of the sample", name, envelope)
		}
	}
}

func TestEvent_ID(t *testing.T) {
	t.Parallel()
	all := samples()
	for name, want := range map[string]string{
		"regenerate.requested":   "requested/" + jobID,
		"mapping.requested":      "work/" + jobID + "/" + mappingID,
		"mapping.changed":        "changed/" + mappingID + "/4",
		"planning.changed":       "planning/" + changeID,
		"job.progress.started":   "started/" + jobID,
		"job.progress.listed":    "listed/" + jobID,
		"job.progress.item":      "item/" + jobID + "/" + mappingID,
		"job.progress.waiting":   "waiting/" + jobID + "/2026-11-24T09:30:15.25Z",
		"job.progress.paused":    "paused/" + jobID + "/2",
		"job.progress.resumed":   "resumed/" + jobID + "/3",
		"job.progress.cancelled": "cancelled/" + jobID + "/4",
		"job.progress.bell":      "bell/" + jobID,
		"job.finished":           "finished/" + jobID,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := all[name].ID(); got != want {
				t.Errorf("%s: id: got %s, want %s", name, got, want)
			}
		})
	}
	rejected := all["mapping.rejected"].(events.MappingRejected)
	other := rejected
	other.Data = []byte("other")
	if rejected.ID() == other.ID() || !strings.HasPrefix(other.ID(), "rejected/") {
		t.Errorf("ids: got %s and %s, want two that begin with rejected/", rejected.ID(), other.ID())
	}
}

func body(text string) func(m *events.Message) {
	return func(m *events.Message) { m.Data = []byte(text) }
}

func TestEncode_RefusesJobFinishedWithoutAFinalStatus(t *testing.T) {
	t.Parallel()
	finished := samples()["job.finished"].(events.JobFinished)
	for name, change := range map[string]func(s *events.JobStatus){
		"running":            func(s *events.JobStatus) { s.Status = schema.StatusRunning },
		"without a result":   func(s *events.JobStatus) { s.Result = nil },
		"more done than all": func(s *events.JobStatus) { s.CompletedSteps++ },
		"of no type":         func(s *events.JobStatus) { s.JobType = "pde" },
		"of no report":       func(s *events.JobStatus) { s.Metadata.ReportID = "" },
		"a bad retry":        func(s *events.JobStatus) { s.Metadata.RetryOf = new("a.b") },
		"a negative count":   func(s *events.JobStatus) { s.Skipped = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := finished
			change(&changed.JobStatus)
			if _, err := events.Encode(changed, "projector", moment, events.Traceparent{}); err == nil {
				t.Errorf("%s: got no error, want one", name)
			}
		})
	}
}

func TestEncode_PercentEncodesHeaders(t *testing.T) {
	t.Parallel()
	m, err := events.Encode(events.JobStarted("a\"%b"), "my \"clässifier\"\n100%", moment, events.Traceparent{})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header["ce-source"][0]; got != `/pdeflow/my%20%22cl%C3%A4ssifier%22%0A100%25` {
		t.Errorf("ce-source: got %s, want it percent-encoded", got)
	}
	if got := m.Header["ce-id"][0]; got != `started/a%22%25b` {
		t.Errorf("ce-id: got %s, want it percent-encoded", got)
	}
	if _, ok := m.Header["traceparent"]; ok {
		t.Error("an event without a trace carries one")
	}
	envelope, _, err := events.Decode[events.JobProgress](m)
	if err != nil || envelope.Source != "/pdeflow/my \"clässifier\"\n100%" || envelope.About != "a\"%b" {
		t.Errorf("got %+v, %v, want the source and the id as they were", envelope, err)
	}
}

func TestStatusOf_HasNullsForUnknownValues(t *testing.T) {
	t.Parallel()
	s := events.StatusOf(schema.Job{ID: "j"}, schema.JobStatus{Status: schema.StatusPending})
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"waiting_for", "error", "result", "eta_seconds", "started_at", "completed_at"} {
		if value, ok := fields[name]; !ok || value != nil {
			t.Errorf("%s: got %v, want null", name, value)
		}
	}
}

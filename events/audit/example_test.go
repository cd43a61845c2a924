package audit_test

import (
	"fmt"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
)

// exampleFact is the fact that Tina requested a job.
func exampleFact() audit.Fact {
	job := schema.Job{
		ID: "j1", JobType: schema.JobTypePDERegeneration, CycleID: "2026-Q3", ReportID: "auto-loans",
		Classifier:  schema.ClassifierRules,
		RequestedBy: "tina", MappingCount: 3,
	}
	return audit.Fact{
		Event: events.RegenerateRequestedOf(job), Service: "api", Actor: job.RequestedBy,
		OccurredAt: time.Date(2026, 11, 24, 9, 30, 15, 250_000_000, time.UTC),
		CycleID:    job.CycleID, ReportID: job.ReportID, JobID: job.ID,
	}
}

// A fact becomes an entry with the id, the type and the body of the event that reports it.
func ExampleFact_Entry() {
	entry, err := exampleFact().Entry(audit.OriginRows)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(entry.EventID, entry.Subject)
	fmt.Println(entry.Type, entry.Source)
	fmt.Printf("%s...\n", entry.Data[:45])
	// Output:
	// requested/j1 regenerate.requested.j1
	// io.pdeflow.regenerate.requested.v1 /pdeflow/api
	// {"job_id":"j1","job_type":"pde_regeneration",...
}

// An event that names another person than the row is not confirmed.
func ExampleFact_Confirms() {
	fact := exampleFact()
	claimed := fact.Event.(events.RegenerateRequested)
	fmt.Println(fact.Confirms(claimed))
	claimed.RequestedBy = "mallory"
	fmt.Println(fact.Confirms(claimed))
	// Output:
	// true
	// false
}

// The hash of a row covers every other column. Any change of the row changes it.
func ExampleRow_Sum() {
	row := audit.Row{
		Seq: 1,
		Entry: audit.Entry{
			EventID:  "started/j1",
			Subject:  "job.progress.j1",
			Data:     []byte(`{}`),
			Origin:   audit.OriginRows,
			Verified: true,
		},
		RecordedAt: time.Date(2026, 11, 24, 9, 30, 15, 250_000_000, time.UTC),
	}
	before := row.Sum()
	row.Actor = "mallory"
	fmt.Println(len(before), before == row.Sum())
	// Output: 64 false
}

// Each event adds the rows that can prove it. A bell reports nothing that a row could prove.
func ExampleQuery_Add() {
	var query audit.Query
	query.Add(events.JobStarted("j1"))
	query.Add(events.JobItem("j1", events.Item{MappingID: "m1", Outcome: schema.OutcomeSucceeded}))
	query.Add(events.JobBell("j1"))
	fmt.Println(query.Jobs, query.Items)
	// Output: [j1] [{j1 m1}]
}

// Origins are the values that the filter and the flag --origin take.
func ExampleOrigins() {
	fmt.Println(audit.Origins())
	// Output: [event rows]
}

// A finding names the row of the log, or the event that the log lacks.
func ExampleFinding() {
	f := audit.Finding{Problem: audit.ProblemMissing, EventID: "finished/j1", JobID: "j1"}
	fmt.Printf("%s: %s\n", f.EventID, f.Problem)
	// Output: finished/j1: it happened, and the log does not have it
}

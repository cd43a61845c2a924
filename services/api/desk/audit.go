package desk

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
)

// Audit is the page of the audit log.
type Audit struct {
	Caller
	Entries []AuditEntry
	// Query has the filters in the query of the page's URL.
	Query url.Values
	// Open is the number of the entry that is shown in full, or 0.
	Open int64
	// Next is the number after which the next page continues, or 0.
	Next  int64
	Chain Chain
	// Seen is the id of the state that the page shows.
	Seen string
}

// Chain is what is known of the chain of hashes.
type Chain struct {
	Head audit.Head
	// Running is the phase of a verification that has not ended, or empty. Done of Total rows are verified.
	Running     string
	Done, Total int64
	// Verified is the last verification that has ended; its zero value means that there was none since the server
	// started.
	Verified Verification
}

// Verification is the result of a verification of the audit log.
type Verification struct {
	audit.Verdict
	// Found are the first findings.
	Found []audit.Finding
	At    time.Time
	Took  time.Duration
	// Failed means that the verification ended early. The log of the server has the error.
	Failed bool
}

// Broken reports whether the last verification found anything.
func (c Chain) Broken() bool { return c.Verified.Findings > 0 }

// Compared reports whether the last verification has read the whole log.
func (c Chain) Compared() bool { return !c.Verified.At.IsZero() && !c.Verified.Failed }

// Whole reports whether the last verification has read the whole log and found nothing.
func (c Chain) Whole() bool { return c.Compared() && !c.Broken() }

// Since returns the number of entries that the last verification did not have.
func (c Chain) Since() int64 { return c.Head.Seq - c.Verified.Rows }

// More returns the number of findings that are not listed.
func (v Verification) More() int64 { return v.Findings - int64(len(v.Found)) }

func (Audit) page() (name, title, section string) { return "audit", "Audit", "audit" }

// With returns the URL of the page with another value of a filter; an empty value removes it.
func (v Audit) With(name, value string) string {
	return join("/audit", changed(v.Query, name, value, "before", "entry"))
}

// Entry returns the URL of the page with this entry shown in full, or closed if it is.
func (v Audit) Entry(seq int64) string {
	number := strconv.FormatInt(seq, 10)
	open := number
	if seq == v.Open {
		open = ""
	}
	return join("/audit", changed(v.Query, "entry", open)) + "#e-" + number
}

// At returns the URL of the page that begins with this entry, shown in full.
func (Audit) At(seq int64) string {
	number := strconv.FormatInt(seq, 10)
	return join("/audit", url.Values{
		"before": {strconv.FormatInt(seq+1, 10)}, "entry": {number}, "items": {"yes"},
	}) + "#e-" + number
}

// Items reports whether the page has the items of jobs: those of one job or mapping, and of all if the user wants so.
func (v Audit) Items() bool {
	return v.Query.Get("job") != "" || v.Query.Get("mapping") != "" || v.Query.Get("kind") == "unverified" ||
		v.CanHaveItems() && v.Query.Get("items") != ""
}

// CanHaveItems reports whether the user can choose to see the items of all jobs. A kind and a report are those of
// actions.
func (v Audit) CanHaveItems() bool { return v.Query.Get("kind") == "" && v.Query.Get("report") == "" }

// Later returns the URL of the next page.
func (v Audit) Later() string { return v.With("before", strconv.FormatInt(v.Next, 10)) }

// Kinds returns the filters by kind with their names.
func (Audit) Kinds() []struct{ Value, Word string } {
	return []struct{ Value, Word string }{
		{"", "All"},
		{"mappings", "Decisions"},
		{"jobs", "Jobs"},
		{"reports", "Imports and reports"},
		{"unverified", "Unverified"},
	}
}

// Filtered reports whether any filter is on.
func (v Audit) Filtered() bool {
	for _, name := range []string{"kind", "actor", "job", "mapping", "report", "from", "to", "items"} {
		if v.Query.Get(name) != "" {
			return true
		}
	}
	return false
}

// Actors returns those who did something on this page, for completion.
func (v Audit) Actors() (names []string) {
	seen := map[string]bool{"": true}
	for _, entry := range v.Entries {
		if !seen[entry.Actor] && !strings.HasPrefix(entry.Actor, "job:") {
			seen[entry.Actor] = true
			names = append(names, entry.Actor)
		}
	}
	return names
}

// AuditEntry is an entry of the log in words.
type AuditEntry struct {
	audit.Row
	// Icon and Class are those of Did.
	Icon, Class, Did string
	// Object is what it was done to, and URL its page, or empty.
	Object, URL, Detail string
	// Fields are the changes of a mapping.
	Fields []Field
}

// NewAuditEntry returns the row in words. The name is that of the attribute of its mapping, or empty.
func NewAuditEntry(row audit.Row, name string) AuditEntry {
	e := AuditEntry{Row: row, Icon: "info", Class: "faint", Did: words(strings.Split(row.EventID, "/")[0])}
	switch {
	case !row.Verified:
		e.claimed()
		return e
	case row.MappingID != "":
		e.Object = name
		if e.Object == "" {
			e.Object = "mapping " + short(row.MappingID)
		} else if row.CycleID != "" {
			e.URL = MappingURL(row.CycleID, row.ReportID, row.MappingID)
		}
	case row.JobID != "":
		e.Object, e.URL = "job "+short(row.JobID), "/jobs/"+url.PathEscape(row.JobID)
		if row.ReportID != "" {
			e.Object = row.ReportID + ", " + e.Object
		}
	case row.ReportID != "":
		e.Object, e.URL = row.ReportID+", "+row.CycleID, ReportURL(row.CycleID, row.ReportID)
	}
	switch row.Type {
	case events.TopicMappingChanged.Type():
		e.changed()
	case events.TopicPlanningChanged.Type():
		e.planned()
	case events.TopicRegenerateRequested.Type():
		e.requested()
	case events.TopicJobFinished.Type():
		e.finished()
	case events.TopicJobProgress.Type():
		e.progressed()
	}
	return e
}

// claimed describes an entry that no row confirms.
func (e *AuditEntry) claimed() {
	var claim struct {
		Claims, Reason string
		Kind           events.ProgressKind
	}
	_ = json.Unmarshal(e.Data, &claim) // anyone may have published it
	e.Icon, e.Class, e.Did, e.Object, e.Detail = "revision", "warn", "Unverified", e.Subject, claim.Reason
	switch {
	case claim.Kind == events.KindWaiting:
		e.Icon, e.Did, e.Object = "wait", "Waited", "job "+short(e.JobID)
		e.URL = "/jobs/" + url.PathEscape(e.JobID)
	case claim.Claims != "":
		e.Object = claim.Claims
	}
}

func (e *AuditEntry) changed() {
	var event events.MappingChanged
	if json.Unmarshal(e.Data, &event) != nil {
		return
	}
	before, err := schema.DecodeImage(event.Before)
	if err != nil {
		return
	}
	after, err := schema.DecodeImage(event.After)
	if err != nil {
		return
	}
	e.Fields = Change{Before: before, After: after}.Fields()
	e.Icon, e.Did = "file", "Edited"
	switch status := schema.ReviewStatus(after.ReviewStatus); {
	case event.EditedBy != nil:
		e.Did = "Carried over"
	case after.ReviewStatus != before.ReviewStatus && status != schema.ReviewStatusPending:
		e.Icon, e.Class = reviewIcon(status)
		e.Did = words(status)
	case orEmpty(event.Comment) == string(schema.HistoryActionImported):
		e.Did, event.Comment = "Imported", nil
	}
	var names []string
	for _, field := range e.Fields {
		if field.Name != reviewField {
			names = append(names, strings.ToLower(field.Name))
		}
	}
	e.Detail = strings.Join(names, ", ")
	if comment := orEmpty(event.Comment); comment != "" {
		e.Detail = "“" + comment + "”"
	}
}

func (e *AuditEntry) planned() {
	var event events.PlanningChanged
	if json.Unmarshal(e.Data, &event) != nil {
		return
	}
	e.Icon, e.Did = "file", words(event.Action)
	if event.Object != schema.PlanningObjectReport {
		e.Detail = strings.ToLower(words(event.Object)) + " " + event.Name
		return
	}
	var parts []string
	count := func(n schema.PlanningCount, noun string) {
		for _, part := range []struct {
			n    int64
			verb string
		}{{n.Added, "new"}, {n.Updated, "updated"}, {n.Removed, "removed"}} {
			if part.n > 0 {
				counted := noun
				if part.n == 1 {
					counted = strings.TrimSuffix(noun, "s")
				}
				parts = append(parts, fmt.Sprintf("%s %s %s", number(part.n), counted, part.verb))
			}
		}
	}
	count(event.Counts.Attributes, "attributes")
	count(event.Counts.Columns, "columns")
	count(event.Counts.Mappings, "mappings")
	if event.FromCycleID != nil {
		parts = append(parts, "from "+*event.FromCycleID)
	}
	e.Detail = strings.Join(parts, ", ")
}

func (e *AuditEntry) requested() {
	var event events.RegenerateRequested
	if json.Unmarshal(e.Data, &event) != nil {
		return
	}
	e.Icon, e.Class, e.Did = "running", "acc", "Started a job"
	e.Detail = CountOf(event.MappingCount) + ", " + string(event.Classifier)
	if event.RetryOf != nil {
		e.Detail += ", retry of job " + short(*event.RetryOf)
	}
}

func (e *AuditEntry) finished() {
	var event events.JobFinished
	if json.Unmarshal(e.Data, &event) != nil {
		return
	}
	e.Icon, e.Class = statusIcon(event.Status)
	e.Did = "Job " + string(event.Status)
	e.Detail = fmt.Sprintf("%s succeeded, %s skipped, %s failed, %s cancelled", number(event.Succeeded),
		number(event.Skipped), number(event.Failed), number(event.Cancelled))
}

func (e *AuditEntry) progressed() {
	var event events.JobProgress
	if json.Unmarshal(e.Data, &event) != nil {
		return
	}
	e.Did = "Job " + strings.ReplaceAll(string(event.Kind), "_", " ")
	switch event.Kind {
	case events.KindPaused:
		e.Icon, e.Class = "paused", "warn"
	case events.KindCancelled:
		e.Icon = "cancelled"
	case events.KindStarted, events.KindResumed:
		e.Icon, e.Class = "running", "acc"
	case events.KindListed:
		if event.Listed != nil {
			e.Detail = CountOf(event.Listed.TotalSteps)
		}
	case events.KindItem:
		if event.Item != nil {
			e.Did = words(event.Item.Outcome)
			e.Detail = "job " + short(event.JobID)
			if event.Item.ErrorCode != nil {
				e.Detail += ", " + string(*event.Item.ErrorCode)
			}
			e.Icon, e.Class = outcomeIcon(event.Item.Outcome)
		}
	case events.KindWaiting, events.KindBell:
	}
}

// orEmpty returns the text, or "" if there is none.
func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

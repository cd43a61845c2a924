package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

func ExampleStatusOf() {
	start := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	job := schema.Job{
		JobType: schema.JobTypePDERegeneration, Intent: schema.IntentRun,
		StartedAt: start, Listed: 200, ListedAt: start,
	}
	counts := schema.Counts{Succeeded: 45, Skipped: 4, Failed: 1, LastEndedAt: start.Add(10 * time.Second)}

	s := schema.StatusOf(job, counts, schema.Waiting{}, nil)
	fmt.Printf("%s, %d %%, %d s left: %s\n", s.Status, s.ProgressPercentage, *s.ETASeconds, s.CurrentStep)
	fmt.Println(s.Message)
	// Output:
	// running, 25 %, 30 s left: Mapping and classifying mapping 51 of 200
	// 50 of 200 mappings accounted for
}

func ExampleStatusOf_failed() {
	start := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	job := schema.Job{Intent: schema.IntentRun, StartedAt: start, Listed: 50, ListedAt: start}
	counts := schema.Counts{Succeeded: 47, Failed: 3, LastEndedAt: start.Add(time.Minute)}
	lost := []schema.FailureCount{{ErrorCode: schema.ErrorCodePanic, Items: 3, Error: "index out of range"}}

	s := schema.StatusOf(job, counts, schema.Waiting{}, lost)
	fmt.Println(s.Status, s.CompletedAt.Format(time.Kitchen))
	fmt.Println(s.Error)
	// Output:
	// failed 9:01AM
	// 3 of 50 mappings failed, the rest is saved (3 × panic, such as: index out of range)
}

func ExampleStatus_CanBecome() {
	for _, next := range schema.Statuses() {
		if schema.StatusPaused.CanBecome(next) {
			fmt.Println(next)
		}
	}
	// Output:
	// pending
	// running
	// completed
	// failed
	// cancelled
}

func ExampleIntent_From() {
	for _, intent := range schema.Intents() {
		fmt.Println(intent, intent.From())
	}
	// Output:
	// run [paused]
	// pause [pending running]
	// cancel [pending running paused]
}

func ExampleCounts_Completed() {
	counts := schema.Counts{Succeeded: 90, Skipped: 6, Failed: 3, Cancelled: 1}
	fmt.Println(counts.Completed())
	// Output: 100
}

func ExampleTier_Protects() {
	fmt.Println(schema.TierHRCI.Protects(schema.TierConfidential))
	fmt.Println(schema.TierPublic.Protects(schema.TierPublic))
	// Output:
	// true
	// false
}

func ExampleLevel_Above() {
	risk := schema.LevelLow
	for _, level := range []schema.Level{schema.LevelMedium, schema.LevelHigh, schema.LevelLow} {
		if level.Above(risk) {
			risk = level
		}
	}
	fmt.Println(risk)
	// Output: High
}

func ExampleAttributeIdentity() {
	fmt.Printf("%q\n", schema.AttributeIdentity("12", "M046", "Current Balance"))
	fmt.Printf("%q\n", schema.AttributeIdentity("12", "", "Current Balance"))
	fmt.Printf("%q\n", schema.AttributeIdentity("", "", "Current Balance"))

	// A text over 1,000 bytes does not fit in an index, so its digest is the identity.
	long := schema.AttributeIdentity("", "", strings.Repeat("Balance ", 200))
	fmt.Println(strings.HasPrefix(long, "sha256:"), len(long))
	// Output:
	// "item:12\nmdrm:M046"
	// "item:12"
	// "name:Current Balance"
	// true 71
}

func ExampleColumnIdentity() {
	fmt.Printf("%q\n", schema.ColumnIdentity("svc", "LN_MSTR", "LN_CURR_BAL_AMT"))
	// Output: "svc\nLN_MSTR\nLN_CURR_BAL_AMT"
}

func ExampleSourceColumn_SourceField() {
	plain := schema.SourceColumn{SchemaName: "svc", TableName: "LN_MSTR", ColumnName: "DLR_CD"}
	dotted := schema.SourceColumn{SchemaName: "svc", TableName: "LN.MSTR", ColumnName: `the "code"`}
	fmt.Println(plain.SourceField())
	fmt.Println(dotted.SourceField())
	// Output:
	// svc.LN_MSTR.DLR_CD
	// svc."LN.MSTR"."the ""code"""
}

func ExampleParseSourceField() {
	c, ok := schema.ParseSourceField(`svc."LN.MSTR".DLR_CD`)
	fmt.Println(c.SchemaName, c.TableName, c.ColumnName, ok)

	_, ok = schema.ParseSourceField("LN_MSTR.DLR_CD")
	fmt.Println(ok)
	// Output:
	// svc LN.MSTR DLR_CD true
	// false
}

func ExampleErrorText() {
	err := errors.New("classifier:\n\tbad \xff byte")
	fmt.Printf("%q\n", schema.ErrorText(err.Error()))

	long := schema.ErrorText(strings.Repeat("x", 5000))
	fmt.Println(len(long) == schema.MaxErrorText, strings.HasSuffix(long, "…"))
	// Output:
	// "classifier:  bad ? byte"
	// true true
}

func ExampleCheckURL() {
	fmt.Println(schema.CheckURL("postgres://pdeflow:secret@db.example.com/pdeflow"))
	fmt.Println(schema.CheckURL("mysql://pdeflow:secret@db.example.com/pdeflow"))
	// Output:
	// <nil>
	// the database URL is not of the form postgres://user:password@host:port/database
}

func ExampleWithoutValues() {
	fmt.Println(schema.WithoutValues(`
		update jobs set requested_by = 'tina' -- a comment
		where id = $1 and version = 42`))
	// Output:
	// update jobs set requested_by = ? where id = ? and version = ?
}

func ExampleJobAuthor() {
	fmt.Println(schema.JobAuthor("0192e8a4-6c1e-7a05-9d61-3f2f4c1b7d10"))
	// Output: job:0192e8a4-6c1e-7a05-9d61-3f2f4c1b7d10
}

package auditor

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
)

// Options for [New]; the zero value works.
type Options struct {
	// Batch is how many events are appended in one transaction at most; 1,000 if zero.
	Batch int
	// Linger is how long a batch that is not full waits for more; 200 ms if zero.
	Linger time.Duration
	// Interval is how often jobs that have ended are looked for; a second if zero.
	Interval time.Duration
	// Patience is how long after the end of a job its events may be on their way, before what they have not brought is taken from the
	// rows; 20 s if zero.
	Patience time.Duration
}

// Auditor keeps the audit log.
type Auditor struct {
	db       *schema.DB
	js       jetstream.JetStream
	log      *slog.Logger
	runner   *events.Runner
	consumer events.Consumer
	interval time.Duration
	patience time.Duration
}

// skew is by how much the clocks of the database and of NATS may differ. What is read twice for it is appended once.
const skew = time.Minute

// New makes an auditor that writes the events of the topology's stream into db.
func New(db *schema.DB, js jetstream.JetStream, topology events.Topology, log *slog.Logger, options Options) *Auditor {
	a := &Auditor{
		db: db, js: js, log: log,
		interval: cmp.Or(options.Interval, time.Second),
		patience: cmp.Or(options.Patience, 20*time.Second),
	}
	a.consumer = events.Auditor(a.lastRow)
	a.runner = events.ConsumeBatches(js, a.consumer, a.record, events.Options{
		Batch: cmp.Or(options.Batch, 1000), Linger: cmp.Or(options.Linger, 200*time.Millisecond), Topology: topology, Log: log,
	})
	return a
}

// Run records events, and compares the log with the rows of jobs that have ended, until ctx ends.
func (a *Auditor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var completing sync.WaitGroup
	completing.Go(func() { a.complete(ctx) })
	err := a.runner.Run(ctx)
	cancel()
	completing.Wait()
	return err
}

// Ready reports why no events come at the moment; nil while they do.
func (a *Auditor) Ready() error { return a.runner.Ready() }

// lastRow is where a consumer begins that has to be made anew.
func (a *Auditor) lastRow(ctx context.Context) (time.Time, error) {
	at, err := audit.GetLastEventTime(ctx, a.db)
	if err != nil || at.IsZero() {
		return at, err
	}
	return at.Add(-skew), nil
}

// record appends a batch of events. If the database refuses the batch for its content, the events are appended one by one, so that the one
// that it refuses holds up no other. That one is discarded: it would be refused again. If a row confirms it, the job stays unaudited
// until it is appended from the rows.
func (a *Auditor) record(ctx context.Context, batch []events.Received[events.Message]) error {
	err := a.recordAll(ctx, batch)
	if !schema.Refused(err) {
		return err
	}
	verdicts := make(events.Verdicts, len(batch))
	for i := range batch {
		if verdicts[i] = a.recordAll(ctx, batch[i:i+1]); schema.Refused(verdicts[i]) {
			verdicts[i] = events.Discard(verdicts[i])
		}
	}
	return verdicts
}

// recordAll appends events in one transaction, each with the content of its row.
func (a *Auditor) recordAll(ctx context.Context, batch []events.Received[events.Message]) error {
	heard := make([]hearsay, len(batch))
	for i, message := range batch {
		heard[i] = hear(message)
	}
	facts, err := audit.ListFacts(ctx, a.db, asked(heard))
	if err != nil {
		return err
	}
	var entries, doubtful []audit.Entry
	for _, h := range heard {
		entry, ok := h.entry(facts)
		if !ok {
			continue
		}
		entries = append(entries, entry)
		if strings.HasPrefix(entry.EventID, unverified) {
			doubtful = append(doubtful, entry)
		}
	}
	if _, err := a.append(ctx, entries); err != nil {
		return err
	}
	if len(doubtful) > 0 {
		// One line for the batch, because forged events may come in large numbers.
		a.log.WarnContext(ctx, "events that no row bears out", "events", len(doubtful), "first_event_id", doubtful[0].EventID,
			"first_subject", doubtful[0].Subject)
	}
	return nil
}

func (a *Auditor) append(ctx context.Context, entries []audit.Entry) (n int, err error) {
	if len(entries) == 0 {
		return 0, nil
	}
	err = a.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		n, err = audit.Append(ctx, tx, entries)
		return err
	})
	return n, err
}

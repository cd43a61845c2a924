package auditor

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
)

// Options are the settings of an auditor. Zero values mean the defaults.
type Options struct {
	// Batch is the largest number of events per transaction; by default 1,000.
	Batch int
	// Linger is how long an incomplete batch waits for more events; by default 200 ms.
	Linger time.Duration
	// Interval is the time between two searches for facts that the log lacks; by default a second.
	Interval time.Duration
	// Patience is how long after the end of a job the auditor waits for its events, before it takes from the rows
	// what they have not reported; by default 20 s.
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

// New returns an auditor that records the events of the topology's stream in db.
func New(db *schema.DB, js jetstream.JetStream, topology events.Topology, log *slog.Logger, options Options) *Auditor {
	a := &Auditor{
		db: db, js: js, log: log,
		interval: cmp.Or(options.Interval, time.Second),
		patience: cmp.Or(options.Patience, 20*time.Second),
	}
	a.consumer = events.Auditor(a.startTime)
	a.runner = events.ConsumeBatches(js, a.consumer, a.record, events.Options{
		Batch:    cmp.Or(options.Batch, 1000),
		Linger:   cmp.Or(options.Linger, 200*time.Millisecond),
		Topology: topology, Log: log,
	})
	return a
}

// Run records events and completes the log from the rows, until ctx ends.
func (a *Auditor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var completing sync.WaitGroup
	completing.Go(func() { a.complete(ctx) })
	err := a.runner.Run(ctx)
	cancel()
	completing.Wait()
	return err
}

// Ready returns nil while the auditor receives events, and otherwise the reason why it does not.
func (a *Auditor) Ready() error { return a.runner.Ready() }

// clockSkew is the largest expected difference between the clocks of the database and of NATS. Events that are
// delivered again because of it are appended once.
const clockSkew = time.Minute

// startTime is where a consumer that has to be created again starts; see decision 5.
func (a *Auditor) startTime(ctx context.Context) (time.Time, error) {
	at, err := audit.GetLastEventTime(ctx, a.db)
	if err != nil || at.IsZero() {
		return at, err
	}
	return at.Add(-clockSkew), nil
}

// record appends a batch of events. If the database refuses the batch for its content, it appends the events one
// by one, and discards the one that is refused, because it would be refused again. If a row proves that event, its
// job stays unaudited until the event is appended from the row.
func (a *Auditor) record(ctx context.Context, batch []events.Received[events.Message]) error {
	err := a.recordAll(ctx, batch)
	if !schema.IsRefused(err) {
		return err
	}
	verdicts := make(events.Verdicts, len(batch))
	for i := range batch {
		if verdicts[i] = a.recordAll(ctx, batch[i:i+1]); schema.IsRefused(verdicts[i]) {
			verdicts[i] = events.Discard(verdicts[i])
		}
	}
	return verdicts
}

// recordAll appends an entry for each event in one transaction: the fact that the rows prove, or a claim.
func (a *Auditor) recordAll(ctx context.Context, batch []events.Received[events.Message]) error {
	received := make([]receivedEvent, len(batch))
	var query audit.Query
	for i, message := range batch {
		received[i] = decode(message)
		query.Add(received[i].event)
	}
	facts, err := audit.ListFacts(ctx, a.db, query)
	if err != nil {
		return err
	}
	var entries, unconfirmed []audit.Entry
	for _, r := range received {
		if r.isBell() {
			continue
		}
		entry, err := r.entry(facts)
		if err != nil {
			return err
		}
		entries = append(entries, entry)
		if isUnconfirmed(entry) {
			unconfirmed = append(unconfirmed, entry)
		}
	}
	if _, err := a.append(ctx, entries); err != nil {
		return err
	}
	if len(unconfirmed) > 0 {
		// One line for the batch, because forged events may come in large numbers.
		a.log.WarnContext(ctx, "events that no row confirms", "events", len(unconfirmed),
			"first_event_id", unconfirmed[0].EventID, "first_subject", unconfirmed[0].Subject)
	}
	return nil
}

// append appends entries in one transaction and returns how many the log did not have.
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

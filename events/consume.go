package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options configures a [Runner]. The zero value handles one message at a time.
type Options struct {
	// Workers is the number of concurrent handlers; 0 means 1.
	Workers int
	// Batch is the maximum number of messages for one call of a [BatchHandler]; 0 means 1.
	Batch int
	// Linger is how long an incomplete batch waits for more messages; 0 means 20 ms.
	Linger time.Duration
	// Prefetch is the number of messages kept ready in addition to those being handled; 0 means as many as
	// those.
	Prefetch int
	// Grace is how long handlers may continue after the context of Run ends, before their context ends; 0
	// means 10 s.
	Grace time.Duration
	// Topology is declared whenever the consumer is opened, which restores what was deleted.
	Topology Topology
	// Log receives problems and state changes; nil discards them.
	Log *slog.Logger
}

const (
	defaultGrace  = 10 * time.Second
	defaultLinger = 20 * time.Millisecond
	// fetchWait is how long a pull request stays open. Shutdown waits for it, because messages that arrive
	// after it would stay idle until AckWait has passed. The client allows a lost request one more second.
	fetchWait = 500 * time.Millisecond
)

// Runner passes the messages of a consumer to a handler and settles each message by the result of the handler.
type Runner struct {
	js       jetstream.JetStream
	nc       *nats.Conn
	consumer Consumer
	topology Topology
	handle   handle
	reject   *Publisher
	log      *slog.Logger
	// recurring logs problems of messages.
	recurring *Recurring

	workers, batch int
	linger, grace  time.Duration
	// window is the maximum number of unsettled messages. The runner requests more when at least refill of
	// them are free.
	window, refill int

	tracker *tracker
	queue   chan *delivery

	mu sync.Mutex
	// closed is the reason why no messages arrive; nil while the consumer is open.
	closed error
	// paused is the reason that [Paused] returned at the last check.
	paused string
}

// Consume returns a runner that calls the handler once for each message of the consumer.
func Consume[T Body](js jetstream.JetStream, c Consumer, h Handler[T], o Options) *Runner {
	o.Batch, o.Linger = 1, 0
	return newRunner(js, c, perMessage(h), o)
}

// ConsumeBatches returns a runner that calls the handler with up to Options.Batch messages at a time.
func ConsumeBatches[T Body](js jetstream.JetStream, c Consumer, h BatchHandler[T], o Options) *Runner {
	return newRunner(js, c, perBatch(h), o)
}

func newRunner(js jetstream.JetStream, c Consumer, h handle, o Options) *Runner {
	r := &Runner{
		js:       js,
		nc:       js.Conn(),
		consumer: c,
		topology: o.Topology,
		handle:   h,
		reject:   NewPublisher(js, c.Service),
		workers:  max(o.Workers, 1),
		batch:    max(o.Batch, 1),
		linger:   cmp.Or(o.Linger, defaultLinger),
		grace:    cmp.Or(o.Grace, defaultGrace),
		closed:   errors.New("not started"),
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r.log = o.Log.With("consumer", c.Name)
	slots := r.workers * r.batch
	prefetch := cmp.Or(o.Prefetch, slots)
	// A request for more than MaxAckPending would stay unfilled until it expires.
	r.window = min(slots+prefetch, o.Topology.maxAckPending(c))
	// Early enough that no worker is idle while the request is on its way.
	r.refill = max(1, min(prefetch, r.window)/2)
	r.recurring = NewRecurring(r.log)
	r.tracker = newTracker(cmp.Or(o.Topology.AckWait, defaultAckWait), r.recurring)
	r.queue = make(chan *delivery, r.window)
	return r
}

// Ready returns the reason why no messages arrive at the moment, or nil.
func (r *Runner) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.nc.IsConnected():
		return fmt.Errorf("consumer %s: %w", r.consumer.Name, ErrDisconnected)
	case r.closed != nil:
		return fmt.Errorf("consumer %s: %w", r.consumer.Name, r.closed)
	case r.paused != "":
		return errors.New(r.paused)
	default:
		return nil
	}
}

func (r *Runner) setClosed(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = why
}

func (r *Runner) setPaused(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case why != "" && why != r.paused:
		r.log.Warn("consumer is paused", "reason", why)
	case why == "" && r.paused != "":
		r.log.Info("consumer is no longer paused")
	}
	r.paused = why
}

// Run handles messages until ctx ends. It survives the loss of the connection, the server, the stream and the
// consumer. Then it requests no more, returns unstarted messages to the server, gives the handlers the grace
// period, and returns nil once everything that it started has ended. It returns an error only if the
// connection is closed. Run may be called once.
func (r *Runner) Run(ctx context.Context) error {
	// The context of the handlers ends later than ctx, by the grace period.
	handling, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()

	var tasks, workers sync.WaitGroup
	done := make(chan struct{})
	tasks.Go(func() { r.tracker.beat(background) })
	tasks.Go(func() { r.recurring.Run(background) })
	tasks.Go(func() { r.endGrace(ctx, done, abort) })
	for range r.workers {
		workers.Go(func() { r.work(ctx, handling) })
	}
	err := r.fetch(ctx)
	r.setClosed(errShutdown)
	close(r.queue)
	// The workers may be busy for the whole grace period, so the queue is returned from here.
	for d := range r.queue {
		r.returnUnstarted(ctx, d)
	}
	workers.Wait()
	close(done)
	stopBackground()
	tasks.Wait()
	r.flush()
	return err
}

// endGrace ends the handlers' context when the grace period after the end of ctx is over.
func (r *Runner) endGrace(ctx context.Context, done <-chan struct{}, abort context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case <-done:
		return
	}
	grace := time.NewTimer(r.grace)
	defer grace.Stop()
	select {
	case <-grace.C:
		abort(errShutdown)
	case <-done:
	}
}

// errShutdown is the cause of a handler context that ended with the grace period.
var errShutdown = errors.New("shutting down")

// flush sends pending acknowledgements before the caller closes the connection.
func (r *Runner) flush() {
	if r.nc.IsConnected() {
		if err := r.nc.FlushTimeout(fetchWait); err != nil {
			r.log.Warn("acknowledgements may be lost, messages will be redelivered", "error", err)
		}
	}
}

// work handles groups of deliveries until the queue is closed. Once stopping has ended, it returns them to the
// server instead.
func (r *Runner) work(stopping, handling context.Context) {
	for {
		group := r.gather(stopping)
		if group == nil {
			return
		}
		if stopping.Err() != nil {
			for _, d := range group {
				r.returnUnstarted(stopping, d)
			}
			continue
		}
		r.handleGroup(stopping, handling, group)
	}
}

// gather waits for a delivery and for those that follow within the linger time. It returns nil when the queue
// is closed.
func (r *Runner) gather(stopping context.Context) []*delivery {
	first, ok := <-r.queue
	if !ok {
		return nil
	}
	group := append(make([]*delivery, 0, r.batch), first)
	if r.batch == 1 {
		return group
	}
	linger := time.NewTimer(r.linger)
	defer linger.Stop()
	for len(group) < r.batch {
		select {
		case d, ok := <-r.queue:
			if !ok {
				return group
			}
			group = append(group, d)
		case <-linger.C:
			return group
		case <-stopping.Done():
			return group
		}
	}
	return group
}

// handleGroup calls the handler with the deliveries that are still valid and settles them.
func (r *Runner) handleGroup(stopping, handling context.Context, group []*delivery) {
	ctx, cancel := context.WithCancelCause(handling)
	defer cancel(nil)
	valid := group[:0]
	for _, d := range group {
		if r.tracker.start(d, cancel) {
			valid = append(valid, d)
		}
	}
	if len(valid) == 0 {
		return
	}
	r.handle(ctx, valid)
	for _, d := range valid {
		r.settle(stopping, d)
	}
}

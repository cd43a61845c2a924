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

// Options say how a [Runner] runs. The zero value works on one message at a time.
type Options struct {
	// Workers is how many handlers run at once; one if zero.
	Workers int
	// Batch is how many messages a [BatchHandler] gets at most; one if zero.
	Batch int
	// Linger is how long a batch that is not full waits for more; twenty milliseconds if zero.
	Linger time.Duration
	// Prefetch is how many messages are kept ready beside those that are worked on; as many as those if zero.
	Prefetch int
	// Grace is how long handlers may go on after the runner was told to stop; ten seconds if zero. Then their context ends.
	Grace time.Duration
	// Topology is what is declared again when somebody deleted it.
	Topology Topology
	// Log gets a line for what went wrong; nothing is logged if nil.
	Log *slog.Logger
}

const (
	defaultGrace  = 10 * time.Second
	defaultLinger = 20 * time.Millisecond
	// fetchWait is how long a request for messages stays open. A shutdown waits for it, because the messages that are on their way would
	// otherwise be nobody's until AckWait has passed. The client gives a request that is lost a second more.
	fetchWait = 500 * time.Millisecond
)

// Runner hands the messages of a consumer to a handler, and settles each by what the handler returns.
type Runner struct {
	js       jetstream.JetStream
	nc       *nats.Conn
	consumer Consumer
	topology Topology
	handle   handle
	reject   *Publisher
	log      *slog.Logger
	// recurring logs what is wrong with messages.
	recurring *Recurring

	workers, batch int
	linger, grace  time.Duration
	// window is how many messages the runner holds at most, refill how many must be missing before it asks for more.
	window, refill int

	tracker *tracker
	queue   chan *delivery

	mu sync.Mutex
	// closed is why no messages can come; nil while the consumer is open.
	closed error
}

// Consume returns a runner that calls the handler for each message of the consumer.
func Consume[T Body](js jetstream.JetStream, c Consumer, h Handler[T], o Options) *Runner {
	o.Batch, o.Linger = 1, 0
	return newRunner(js, c, perMessage(h), o)
}

// ConsumeBatches returns a runner that calls the handler for as many messages of the consumer as have come.
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
	// Asking for more than the server lets out would only leave the request sitting there until it expires.
	r.window = min(slots+prefetch, o.Topology.maxAckPending(c))
	// Never so late that a worker has nothing to do while others are still busy.
	r.refill = max(1, min(prefetch, r.window)/2)
	r.recurring = NewRecurring(r.log)
	r.tracker = newTracker(cmp.Or(o.Topology.AckWait, defaultAckWait), r.recurring)
	r.queue = make(chan *delivery, r.window)
	return r
}

// Ready reports why no messages can come at the moment; nil while they can.
func (r *Runner) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.nc.IsConnected():
		return fmt.Errorf("consumer %s: %w", r.consumer.Name, ErrDisconnected)
	case r.closed != nil:
		return fmt.Errorf("consumer %s: %w", r.consumer.Name, r.closed)
	default:
		return nil
	}
}

func (r *Runner) setClosed(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = why
}

// Run works until the context ends, whatever happens to the connection, the server, the stream or the consumer meanwhile. Then it asks
// for nothing more, gives back what was not started, lets the handlers finish within the grace period, and returns nil when all that it
// started has ended. It returns an error only if the connection was closed under it. A runner runs once.
func (r *Runner) Run(ctx context.Context) error {
	// Handlers outlive the context by the grace period.
	work, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	beside, stopBeside := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBeside()

	var aside, workers sync.WaitGroup
	done := make(chan struct{})
	aside.Go(func() { r.tracker.beat(beside) })
	aside.Go(func() { r.recurring.Run(beside) })
	aside.Go(func() { r.endGrace(ctx, done, abort) })
	for range r.workers {
		workers.Go(func() { r.loop(ctx, work) })
	}
	err := r.fetch(ctx)
	r.setClosed(errShutdown)
	close(r.queue)
	// All workers may be busy for as long as the grace period, so what waits for them is given back from here too.
	for d := range r.queue {
		r.returnUnstarted(ctx, d)
	}
	workers.Wait()
	close(done)
	stopBeside()
	aside.Wait()
	r.flush()
	return err
}

// endGrace ends the handlers' context when the grace period after the end of the runner's is over.
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

// errShutdown is why the context of a handler ends that did not finish within the grace period.
var errShutdown = errors.New("shutting down")

// flush brings what was settled to the server before the connection may be closed.
func (r *Runner) flush() {
	if r.nc.IsConnected() {
		if err := r.nc.FlushTimeout(fetchWait); err != nil {
			r.log.Warn("settled messages may come again", "error", err)
		}
	}
}

// loop takes deliveries from the queue, in groups, until it is closed. Once the runner has been told to stop, it gives them back.
func (r *Runner) loop(stop, work context.Context) {
	for {
		group := r.gather(stop)
		if group == nil {
			return
		}
		if stop.Err() != nil {
			for _, d := range group {
				r.returnUnstarted(stop, d)
			}
			continue
		}
		r.run(stop, work, group)
	}
}

// gather waits for a delivery, and for those that come soon enough after it; nil when the queue is closed.
func (r *Runner) gather(stop context.Context) []*delivery {
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
		case <-stop.Done():
			return group
		}
	}
	return group
}

// run has the handler work on the deliveries that are still ours, and settles them.
func (r *Runner) run(stop, work context.Context, group []*delivery) {
	ctx, cancel := context.WithCancelCause(work)
	defer cancel(nil)
	ours := group[:0]
	for _, d := range group {
		if r.tracker.start(d, cancel) {
			ours = append(ours, d)
		}
	}
	if len(ours) == 0 {
		return
	}
	r.handle(ctx, ours)
	for _, d := range ours {
		r.settle(stop, d)
	}
}

package classifier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// markedDelivery is the delivery from which the start of judging is marked in the item's row.
	markedDelivery = 3
	// maxStarts is the number of starts without an outcome after which an item is poison.
	maxStarts = 5
	// suspectRetry is the wait before a suspect requests its turn again.
	suspectRetry = 500 * time.Millisecond
	// clearTimeout bounds the statement that clears a start after the judgement.
	clearTimeout = 5 * time.Second
	// clearInterval is the time between retries for starts that could not be cleared.
	clearInterval = time.Second
)

// acquireSuspectTurn lets one suspect of a lane at a time be judged, so that a crash is not blamed on another one. A
// suspect that gets no turn waits in the stream and does not occupy a worker.
func (c *Classifier) acquireSuspectTurn(lane schema.Lane) (release func(), err error) {
	turn := c.suspectTurns[lane]
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	default:
		return nil, events.RetryAfter(suspectRetry, errors.New("another suspect is being judged"))
	}
}

// judgeMarked is judge with a start marked in the item's row while it runs, so that the mark remains only if the
// process dies during the judgement. No lock is awaited under the mark: MarkStart sets it after it has locked the
// row, and it is cleared before the result is saved.
func (c *Classifier) judgeMarked(ctx context.Context, work schema.Work) (schema.Mapping, schema.ItemResult, error) {
	item := itemKey{work.Item.JobID, work.Item.MappingID}
	c.clearAll(ctx)
	starts, err := schema.MarkStart(ctx, c.db, item.jobID, item.mappingID)
	if errors.Is(err, schema.ErrNotFound) {
		err = errChanged // the item got its outcome just now
	}
	if err != nil {
		return work.Mapping, schema.ItemResult{}, err
	}
	if starts > maxStarts {
		return work.Mapping, schema.ItemResult{}, &judgeError{
			code: schema.ErrorCodePoison, final: true,
			err: fmt.Errorf("the process crashed %d times while judging this mapping", maxStarts),
		}
	}
	after, saved, err := c.judge(ctx, work)
	c.uncleared.add(item)
	// The mark is cleared even if a shutdown has cancelled ctx: a shutdown is not evidence against the item.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTimeout)
	defer cancel()
	return after, saved, errors.Join(err, c.clear(ctx, item))
}

// clear sets the starts of an item that this process has survived to zero.
func (c *Classifier) clear(ctx context.Context, item itemKey) error {
	err := schema.ClearStarts(ctx, c.db, item.jobID, item.mappingID)
	if err == nil {
		c.uncleared.remove(item)
	}
	return err
}

// clearAll clears the starts that could not be cleared before. It stops at the first error.
func (c *Classifier) clearAll(ctx context.Context) {
	for _, item := range c.uncleared.items() {
		if err := c.clear(ctx, item); err != nil {
			return // the next call tries again
		}
	}
}

// itemKey identifies an item.
type itemKey struct{ jobID, mappingID string }

// itemSet is a set of items, safe for concurrent use. The zero value is empty.
type itemSet struct {
	mu  sync.Mutex
	all map[itemKey]struct{}
}

func (s *itemSet) add(item itemKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[itemKey]struct{}{}
	}
	s.all[item] = struct{}{}
}

func (s *itemSet) remove(item itemKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, item)
}

func (s *itemSet) items() []itemKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.all))
}

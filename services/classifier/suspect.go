package classifier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

const (
	// clearWithin is how long the database has to clear a start after the judgement.
	clearWithin = 5 * time.Second
	// clearEvery is how often the starts are cleared for which the database was not there.
	clearEvery = time.Second
)

// judgeMarked is judge with a start marked in the item's row for as long as it takes, so that the mark remains only if the process dies
// of it. Neither the save nor any lock is waited for under the mark.
func (c *Classifier) judgeMarked(ctx context.Context, work schema.Work) (schema.Mapping, schema.Saved, error) {
	item := itemKey{work.Item.JobID, work.Item.MappingID}
	c.clearSurvived(ctx)
	starts, err := schema.MarkStart(ctx, c.db, item.jobID, item.mappingID)
	if errors.Is(err, schema.ErrNotFound) {
		err = errChanged // it got its outcome at this moment
	}
	if err != nil {
		return work.Mapping, schema.Saved{}, err
	}
	if starts > maxStarts {
		return work.Mapping, schema.Saved{}, &judgeError{
			code: schema.CodePoison, final: true, err: fmt.Errorf("the process ended each of the %d times when it judged this mapping", maxStarts),
		}
	}
	after, saved, err := c.judge(ctx, work)
	c.survived.add(item)
	// A shutdown that does not wait for the work any more is no evidence against the item either.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearWithin)
	defer cancel()
	return after, saved, errors.Join(err, c.clear(ctx, item))
}

func (c *Classifier) clear(ctx context.Context, item itemKey) error {
	err := schema.ClearStarts(ctx, c.db, item.jobID, item.mappingID)
	if err == nil {
		c.survived.remove(item)
	}
	return err
}

// clearSurvived clears the starts that are left over, until one cannot be cleared.
func (c *Classifier) clearSurvived(ctx context.Context) {
	for _, item := range c.survived.items() {
		if err := c.clear(ctx, item); err != nil {
			return // the next call tries again
		}
	}
}

// keepClear clears the starts for which the database was not there, until ctx ends.
func (c *Classifier) keepClear(ctx context.Context) {
	tick := time.NewTicker(clearEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.clearSurvived(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// itemKey names an item.
type itemKey struct{ jobID, mappingID string }

// survived is a set of items. The zero value is ready to use.
type survived struct {
	mu  sync.Mutex
	all map[itemKey]struct{}
}

func (s *survived) add(item itemKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[itemKey]struct{}{}
	}
	s.all[item] = struct{}{}
}

func (s *survived) remove(item itemKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, item)
}

func (s *survived) items() []itemKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := make([]itemKey, 0, len(s.all))
	for item := range s.all {
		items = append(items, item)
	}
	return items
}

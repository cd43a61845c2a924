package dispatcher

import (
	"context"
	"errors"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// planningPage is the number of planning changes that are published per turn.
const planningPage = 100

// changePage is the number of changes of mappings that are published per turn. It is so small that the jobs do not
// wait: a review may decide on thousands of mappings at once.
const changePage = 200

// publishChanges publishes mapping.changed for the changes of mappings by people whose event is not in the stream.
// more reports that there are further ones. Two dispatchers may publish the same change; its event has the same id.
func (d *Dispatcher) publishChanges(ctx context.Context) (more bool, err error) {
	changes, err := schema.ListUnpublishedChanges(ctx, d.db, changePage)
	if err != nil {
		return false, err
	}
	var published []string
	for _, change := range changes {
		event, damaged := events.MappingChangedOf(change)
		if damaged != nil { // the others are published
			err = errors.Join(err, damaged)
			continue
		}
		if unpublished := d.stream.event(ctx, event); unpublished != nil {
			err = errors.Join(err, unpublished)
			break
		}
		published = append(published, change.ID)
	}
	err = errors.Join(err, schema.MarkChangesPublished(ctx, d.db, published))
	return err == nil && len(changes) == changePage, err
}

// publishPlanning publishes the changes of planning data whose event is not in the stream. Two dispatchers may
// publish the same change; its event has the same id.
func (d *Dispatcher) publishPlanning(ctx context.Context) error {
	changes, err := schema.ListUnpublishedPlanningChanges(ctx, d.db, planningPage)
	if err != nil {
		return err
	}
	for _, change := range changes {
		if err := d.stream.event(ctx, events.PlanningChangedOf(change)); err != nil {
			return err
		}
		if err := schema.MarkPlanningChangePublished(ctx, d.db, change.ID); err != nil {
			return err
		}
	}
	return nil
}

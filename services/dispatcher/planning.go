package dispatcher

import (
	"context"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// planningPage is the number of planning changes that are published per turn.
const planningPage = 100

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

package dispatcher

import (
	"context"
	"errors"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// changePage is the number of changes of mappings that are published per turn. It is so small that the jobs do not
// wait: a review may decide on thousands of mappings at once.
const changePage = 200

// publishChanges publishes mapping.changed for the changes of mappings whose event is not in the stream.
// more reports that there are further ones. Two dispatchers may publish the same change; its event has the same id.
//
// A change whose event cannot be made is logged once and left out until the dispatcher restarts, so that it delays
// no other. pdeflow check reports it.
func (d *Dispatcher) publishChanges(ctx context.Context) (more bool, err error) {
	changes, err := schema.ListUnpublishedChanges(ctx, d.db, d.damaged, changePage)
	if err != nil {
		return false, err
	}
	var published []string
	for _, change := range changes {
		event, damaged := events.MappingChangedOf(change)
		if damaged != nil {
			d.damaged = append(d.damaged, change.ID)
			d.log.ErrorContext(ctx, "change of a mapping is damaged and cannot be published", "history_id", change.ID,
				"mapping_id", change.MappingID, "error", damaged)
			continue
		}
		if unpublished := d.stream.event(ctx, event); unpublished != nil {
			err = unpublished
			break
		}
		published = append(published, change.ID)
	}
	err = errors.Join(err, schema.MarkChangesPublished(ctx, d.db, published))
	return err == nil && len(changes) == changePage, err
}

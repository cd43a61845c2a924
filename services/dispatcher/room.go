package dispatcher

import (
	"context"
	"time"

	"github.com/pdeflow/pdeflow/events"
)

// roomEvery is the interval at which the loop checks the size of the streams.
const roomEvery = 10 * time.Second

const nearlyFull = "stream is more than 80 % full; raise its max_bytes, or PDE_EVENTS discards events that are " +
	"younger than 30 days"

// checkRoom logs once when a stream is more than 80 % full, and once when it no longer is. It ignores errors, which the
// next publish reports.
func (d *Dispatcher) checkRoom(ctx context.Context, now time.Time) {
	if now.Sub(d.stream.measured) < roomEvery || !d.stream.connected() {
		return
	}
	d.stream.measured = now
	for _, name := range []string{events.StreamEvents, events.StreamWork} {
		found, err := d.js.Stream(ctx, name)
		if err != nil {
			return
		}
		info := found.CachedInfo()
		limit, held := info.Config.MaxBytes, info.State.Bytes
		full := limit > 0 && held > uint64(limit)/5*4
		if full == d.stream.full[name] {
			continue
		}
		d.stream.full[name] = full
		if full {
			d.log.WarnContext(ctx, nearlyFull, "stream", name, "bytes", held, "max_bytes", limit)
		} else {
			d.log.InfoContext(ctx, "stream has room again", "stream", name, "bytes", held, "max_bytes", limit)
		}
	}
}

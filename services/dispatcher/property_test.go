package dispatcher

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// Each check is a job whose items end, whose messages are lost, whose dispatcher dies, and which is paused and resumed,
// in any order. Run more of them with -rapid.checks=1000.
func TestTheMessagesFollowTheRowsForAnyOrderOfLosses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const mappings, window = 5, 3
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		f.lose()
		f.purgeEvents()
		f.Exec("update jobs set ended_at = created_at, published_finished = true where ended_at is null")
		checks++
		job := f.job(fmt.Sprintf("r%d", checks), mappings)
		open := numbered(fmt.Sprintf("r%d", checks), 1, mappings)
		options := Options{Window: window, Slots: 1, Page: 2}
		d := f.dispatcher(options)
		want := []string{"requested/JOB", "started/JOB", "listed/JOB"}
		f.turns(d)
		paused, version := false, 1
		complete := func(rt *rapid.T) {
			d.forget() // as after the life of the hints
			f.turns(d)
			if sent := f.outstanding(job); !paused && len(sent) != min(window, len(open)) {
				rt.Fatalf("outstanding: got %q of %q, want %d", sent, open, min(window, len(open)))
			}
			if got := f.eventIDs(job); strings.Join(got, " ") != strings.Join(want, " ") {
				rt.Fatalf("events (-want +got):\n%s", cmp.Diff(want, got))
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"an item ends": func(rt *rapid.T) {
				if sent := f.outstanding(job); len(sent) > 0 {
					id := rapid.SampledFrom(sent).Draw(rt, "item")
					f.finish(job, id)
					open = slices.DeleteFunc(open, func(other string) bool { return other == id })
				}
			},
			"all messages are lost":       func(*rapid.T) { f.lose() },
			"the dispatcher starts again": func(*rapid.T) { d = f.dispatcher(options) },
			"the job is paused or resumed": func(*rapid.T) {
				paused, version = !paused, version+1
				intent, kind := schema.IntentRun, "resumed"
				if paused {
					intent, kind = schema.IntentPause, "paused"
				}
				f.Intend(job.ID, intent)
				want = append(want, fmt.Sprintf("%s/JOB/%d", kind, version))
			},
			"a turn":           func(*rapid.T) { f.turns(d) },
			"the hints expire": complete,
			"": func(rt *rapid.T) {
				sent := f.outstanding(job)
				for _, id := range sent {
					if !slices.Contains(open, id) {
						rt.Fatalf("outstanding: got %s, whose item has ended", id)
					}
				}
				if len(sent) > window {
					rt.Fatalf("outstanding: got %d, want at most %d", len(sent), window)
				}
			},
		})
		complete(rt)
	})
}

// purgeEvents removes all events.
func (f *fixture) purgeEvents() {
	f.T.Helper()
	s, err := f.JS.Stream(f.T.Context(), events.StreamEvents)
	if err != nil {
		f.T.Fatal(err)
	}
	if err := s.Purge(f.T.Context()); err != nil {
		f.T.Fatal(err)
	}
}

package api

import (
	"context"
	"testing"
	"time"
)

func TestChangeReader_ReadsReportsIndependently(t *testing.T) {
	t.Parallel()
	slow, fast := ReportPath{"2026-Q3", "SLOW"}, ReportPath{"2026-Q3", "FAST"}
	begun, finish := make(chan struct{}), make(chan struct{})
	c := &changeReader{
		read: func(_ context.Context, in ReportPath) (time.Time, error) {
			if in == slow {
				close(begun) // a second read would panic
				<-finish
			}
			return time.UnixMicro(7), nil
		},
		last: map[ReportPath]*changeReading{},
	}
	done := make(chan string)
	for range 2 {
		go func() {
			id, _ := c.lastChange(t.Context(), slow)
			done <- id
		}()
	}
	<-begun
	if id, err := c.lastChange(t.Context(), fast); id != "7" || err != nil {
		t.Errorf("the other report: got %q, %v, want 7", id, err)
	}
	close(finish)
	for range 2 {
		if id := <-done; id != "7" {
			t.Errorf("the slow report: got %q, want 7", id)
		}
	}
}

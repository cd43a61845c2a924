package api

import (
	"context"
	"testing"
)

func TestChangeReader_ReadsStatesIndependently(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}), make(chan struct{})
	fast := pageState{key: pageKey{page: "fast"}, read: func(context.Context) (string, error) { return "7", nil }}
	slow := pageState{key: pageKey{page: "slow"}, read: func(context.Context) (string, error) {
		close(begun) // a second read would panic
		<-finish
		return "7", nil
	}}
	c := &changeReader{last: map[pageKey]*changeReading{}}
	done := make(chan string)
	for range 2 {
		go func() {
			id, _ := c.current(t.Context(), slow)
			done <- id
		}()
	}
	<-begun
	if id, err := c.current(t.Context(), fast); id != "7" || err != nil {
		t.Errorf("the other report: got %q, %v, want 7", id, err)
	}
	close(finish)
	for range 2 {
		if id := <-done; id != "7" {
			t.Errorf("the slow report: got %q, want 7", id)
		}
	}
}

package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestRecurring_LogsEachReasonOnceAndItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		r := NewRecurring(slog.New(slog.NewTextHandler(&log, nil)))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Run(ctx)
		}()
		note := func(condition string, err error) { r.Note(ctx, slog.LevelWarn, condition, err, "subject", "s") }

		for i := range 1000 {
			note("a message will come again", fmt.Errorf("save mapping %d: %w", i, syscall.ECONNREFUSED))
			note(
				"a message will come again",
				errors.Join(fmt.Errorf("read mapping %d: %w", i, syscall.EPIPE), errors.New("other")),
			)
			time.Sleep(recurringQuiet / 10) //nolint:forbidigo // in synctest, whose clock jumps
		}
		note("a message is ended", syscall.EPIPE)
		time.Sleep(2 * recurringQuiet) //nolint:forbidigo // in synctest, whose clock jumps
		synctest.Wait()
		if n := strings.Count(log.String(), `level=WARN msg="a message will come again"`); n != 2 {
			t.Errorf("lines for two reasons: got %d, want 2", n)
		}
		for _, text := range []string{
			`error="save mapping 0: connection refused"`,
			`error="connection refused" times=1000`,
			`error="broken pipe" times=1000`,
		} {
			if !strings.Contains(log.String(), text) {
				t.Errorf("log: got %s, want a text with %q", log.String(), text)
			}
		}
		if strings.Contains(log.String(), `condition="a message is ended"`) {
			t.Error("a condition that came up once is reported twice")
		}

		note("a message will come again", syscall.ECONNREFUSED)
		if n := strings.Count(log.String(), `level=WARN msg="a message will come again"`); n != 3 {
			t.Errorf("lines after the condition came back: got %d, want 3", n)
		}
		note("a message will come again", syscall.ECONNREFUSED)
		stop()
		<-ended
		if !strings.Contains(log.String(), "times=2") {
			t.Error("a condition that lasts until the end is not counted")
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
}

func TestRecurring_LimitsTheNumberOfReasons(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	r := NewRecurring(slog.New(slog.NewTextHandler(&log, nil)))
	for i := range 10_000 {
		r.Note(t.Context(), slog.LevelWarn, "a message will come again", fmt.Errorf("row %d is damaged", i))
	}
	r.end(time.Now())
	if n := strings.Count(log.String(), "\n"); n > recurringReasons+2 {
		t.Errorf("lines: got %d, want at most %d", n, recurringReasons+2)
	}
	if want := fmt.Sprintf("times=%d", 10_000-recurringReasons); !strings.Contains(log.String(), want) {
		t.Errorf("log: got %s, want a text with %s", log.String(), want)
	}
}

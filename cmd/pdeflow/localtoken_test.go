package main

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestLocalToken_StaysValidWhileItsServerRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	verify, err := api.SecretVerifier(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		l := localToken{dir: dir, user: "local", secret: testSecret}
		_, path, err := l.write()
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- l.keep(ctx, slog.New(slog.DiscardHandler)) }()
		for range 4 {
			<-time.After(localTokenTTL / 2) // of the bubble's own time
			synctest.Wait()
			token, err := datadir.Run{TokenFile: path}.Token()
			if err != nil {
				t.Fatal(err)
			}
			if caller, err := verify(ctx, token); err != nil ||
				caller != (api.Caller{User: "local", Role: api.Manager}) {
				t.Fatalf("claims: got %+v (%v), want the manager local", caller, err)
			}
		}
		// The file is missing for a day, as on a full disk, and is written again.
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		<-time.After(localTokenEvery)
		synctest.Wait()
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

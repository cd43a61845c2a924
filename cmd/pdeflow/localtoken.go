package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	// localTokenTTL is how long the token in the data directory is good for, so long after its server has ended at
	// most.
	localTokenTTL = 30 * 24 * time.Hour
	// localTokenEvery is how often it is written anew, so that the commands of a server that runs for months find a
	// good one.
	localTokenEvery = 24 * time.Hour
)

// localToken is the token in the data directory, by which the commands of this machine are let in.
type localToken struct {
	dir, user string
	secret    []byte
}

// write signs a new token and puts it into its file.
func (l localToken) write() (token, path string, err error) {
	if token, err = api.SignToken(l.secret, l.user, api.Manager, localTokenTTL); err != nil {
		return "", "", err
	}
	path, err = datadir.WriteToken(l.dir, token)
	return token, path, err
}

// keep writes it again and again until ctx ends. The old one is good for weeks more, so what goes wrong is tried again
// next time.
func (l localToken) keep(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(localTokenEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, _, err := l.write(); err != nil {
			log.WarnContext(ctx, "the token of this machine's commands is not renewed", "error", err)
		}
	}
}

// localUser is the user of the token in the data directory: the one who runs this process, if a token may carry that
// name.
func localUser(getenv func(string) string) string {
	for _, name := range []string{"USER", "LOGNAME"} {
		if user := getenv(name); api.ValidUser(user) {
			return user
		}
	}
	return "local"
}

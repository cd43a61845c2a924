package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	// localTokenTTL is the lifetime of the token in the data directory. The token outlives its server by at most this
	// time.
	localTokenTTL = 30 * 24 * time.Hour
	// localTokenEvery is the interval at which the token is renewed, so that the token of a server that runs for months
	// stays valid.
	localTokenEvery = 24 * time.Hour
)

// localToken is the token in the data directory. Commands on this machine use it.
type localToken struct {
	dir, user string
	secret    []byte
}

// write signs a new token and writes it to its file.
func (l localToken) write() (token, path string, err error) {
	if token, err = api.SignToken(l.secret, l.user, api.Manager, localTokenTTL); err != nil {
		return "", "", err
	}
	path, err = datadir.WriteToken(l.dir, token)
	return token, path, err
}

// keep renews the token until ctx ends. A failure is only logged, because the old token remains valid for weeks.
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
			log.WarnContext(ctx, "renew the local token", "error", err)
		}
	}
}

// localUser returns the user of the token in the data directory: the user of this process, if a token may carry that
// name.
func localUser(getenv func(string) string) string {
	for _, name := range []string{"USER", "LOGNAME"} {
		if user := getenv(name); api.ValidUser(user) {
			return user
		}
	}
	return "local"
}

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/services/api"
)

// listenAPI opens the API's port and publishes the node's addresses to the commands on this machine.
func (a *app) listenAPI(ctx context.Context, n *node, at *address) (unpublish func() error, err error) {
	dir, err := datadir.Make(n.backends.dir)
	if err != nil {
		return nil, err
	}
	if n.secret == "" {
		if n.secret, err = datadir.Secret(dir); err != nil {
			return nil, err
		}
	}
	if n.settings.verify, err = api.SecretVerifier([]byte(n.secret)); err != nil {
		return nil, fmt.Errorf("development secret: %w", err)
	}
	n.settings.secret = n.secret
	if n.settings.listener, err = listen(ctx, n.listen, n.log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.settings.listener.Close())
		}
	}()
	at.HTTP = "http://" + dialable(n.settings.listener.Addr().String())
	// Only now, so that a failed listen does not overwrite the token of another process.
	n.token = localToken{dir: dir, user: localUser(a.getenv), secret: []byte(n.secret)}
	if at.token, at.TokenFile, err = n.token.write(); err != nil {
		return nil, err
	}
	published, err := datadir.Publish(dir, at.Run)
	if err != nil {
		return nil, err
	}
	return published.Remove, nil
}

package main

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestOpenDatabase_ReservesConnectionsForTheAPI(t *testing.T) {
	t.Parallel()
	database, server := schematest.URL(t), eventstest.Start(t)
	schematest.New(t)
	for _, tt := range []struct {
		url           string
		hasAPI        bool
		services, api int
	}{
		{database, true, 11, 5},
		{database, false, 16, 16},
		{database + "&pool_max_conns=6", true, 4, 2},
		{database + "&pool_max_conns=5", true, 5, 5},
	} {
		t.Run(fmt.Sprintf("%+v", tt), func(t *testing.T) {
			b, err := openBackends(t.Context(), func(string) string { return "" },
				backendOptions{
					databaseURL: tt.url, nats: natsServer{url: server.URL()}, name: "test", hasAPI: tt.hasAPI,
				},
				slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if b.db.MaxConns() != tt.services || b.apiDB.MaxConns() != tt.api {
				t.Errorf("%+v: got %d connections for services and %d for the api, want %d and %d",
					tt, b.db.MaxConns(), b.apiDB.MaxConns(), tt.services, tt.api)
			}
			if shared := b.db == b.apiDB; shared != (tt.services == tt.api) {
				t.Errorf("%+v: got a shared pool %v, want %v", tt, shared, tt.services == tt.api)
			}
			if err := b.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

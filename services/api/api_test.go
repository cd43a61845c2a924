package api_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestAServerIsNotMadeOfWhatCannotServe(t *testing.T) {
	t.Parallel()
	if _, err := api.New(nil, nil, api.Options{}); err == nil {
		t.Error("it would let anyone in")
	}
	for _, kind := range []schema.ClassifierKind{schema.LLM, schema.Hybrid} {
		if _, err := api.New(nil, nil, api.Options{Verify: verifier(t), Classifier: kind}); err == nil || !strings.Contains(err.Error(), string(kind)) {
			t.Errorf("with the default classifier %s the error is %v", kind, err)
		}
	}
}

func TestAServerEndsWithItsListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.server.Run(context.Background(), listener); err == nil {
		t.Error("it serves a listener that is closed")
	}
}

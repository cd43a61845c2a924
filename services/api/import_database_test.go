package api_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Databases that do not answer must not keep files from being imported.
func TestImport_OfSlowDatabasesLeavesRoomForFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	var slow sync.WaitGroup
	var waiting []net.Conn
	for range 2 { // as many imports as run at once
		slow.Go(func() {
			f.upload(piece{"source_url", "", "postgres://u:p@" + silent.Addr().String() + "/d?sslmode=disable"},
				piece{"source_name", "", "Loans"})
		})
		waiting = append(waiting, <-accepted)
	}
	if a := f.upload(piece{"attributes", "a.csv", someAttributes}); a.status != http.StatusOK {
		t.Errorf("import of a file: got %d %s, want 200", a.status, a.body)
	}
	for _, open := range []io.Closer{silent, waiting[0], waiting[1]} {
		if err := open.Close(); err != nil {
			t.Error(err)
		}
	}
	slow.Wait()
	refused(t, f.upload(piece{"source_url", "", strings.Repeat("x", 2001)}, piece{"source_name", "", "Loans"}),
		http.StatusUnprocessableEntity, "invalid")
	refused(t, f.upload(piece{"source_ca", "", strings.Repeat("x", 200_001)}),
		http.StatusUnprocessableEntity, "invalid")
}

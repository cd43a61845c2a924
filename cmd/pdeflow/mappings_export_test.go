package main

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestMappingsAreExportedOnTheCommandLine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	ids := schematest.Report(t, f.db, 3)
	command := func(exit int, args ...string) result {
		typed := append([]string{"mappings", "export", "--cycle", schematest.CycleID, "--report", schematest.ReportID},
			args...)
		return f.pdeflow(typed...).ends(t, exit)
	}
	if got := from[api.MappingExport](t, command(exitDone, "--format", "json")); len(got.Items) != len(ids) {
		t.Errorf("got %d mappings, want %d", len(got.Items), len(ids))
	}
	path := filepath.Join(t.TempDir(), "a.csv")
	command(exitDone, "--format", "csv", "--output", path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
	if err != nil || len(rows) != len(ids)+1 || rows[1][0] != ids[0] {
		t.Errorf("got %d rows (%v), want %d", len(rows), err, len(ids)+1)
	}
	command(exitUsage)
	command(exitUsage, "--format", "pdf")
	command(exitUsage, "--format", "csv", "--output", filepath.Join(path, "none"))
	// A failed export leaves the file as it was.
	f.pdeflow("mappings", "export", "--cycle", "none", "--report", "none", "--format", "csv", "--output", path).
		ends(t, exitFailed, "There is no report")
	again, err := os.ReadFile(path)
	if left, _ := filepath.Glob(path + ".part-*"); err != nil || string(again) != string(content) || len(left) > 0 {
		t.Errorf("the file: got another content (%v) and left %v, want the old content and nothing left", err, left)
	}
}

func TestWriteFile_FollowsLinksAndWritesToDevices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(text string) func(io.Writer) error {
		return func(to io.Writer) error {
			_, err := io.WriteString(to, text)
			return err
		}
	}
	content := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Run("a new file has the permissions of the umask", func(t *testing.T) {
		reference, path := filepath.Join(dir, "reference"), filepath.Join(dir, "new")
		made, err := os.Create(reference)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(made.Close(), writeFile(path, write("new"))); err != nil {
			t.Fatal(err)
		}
		if got, want := permissions(t, path), permissions(t, reference); got != want {
			t.Errorf("got permissions %v, want %v", got, want)
		}
	})
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, []byte("old"), 0o640), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	t.Run("a link is followed", func(t *testing.T) {
		if err := writeFile(link, write("through the link")); err != nil {
			t.Fatal(err)
		}
		if got := content(target); got != "through the link" {
			t.Errorf("target of the link: got %q, want the export", got)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("link: got %v (%v), want it kept", info, err)
		}
		if got := permissions(t, target); got != 0o640 {
			t.Errorf("got permissions %v, want those of the old file", got)
		}
	})
	t.Run("a device is written to", func(t *testing.T) {
		if err := writeFile(os.DevNull, write("gone")); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(os.DevNull); err != nil || info.Mode()&os.ModeDevice == 0 {
			t.Errorf("device: got %v (%v), want it kept", info, err)
		}
	})
}

func permissions(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestSendWithin_GivesUpIfNoHeaderArrives(t *testing.T) {
	t.Parallel()
	received := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(received)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	reply, err := newClient(server.URL, "").sendWithin(ctx, cancel, 100*time.Millisecond, request{
		method: http.MethodGet, path: "/",
	})
	if err == nil {
		_ = reply.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "does not respond in time") {
		t.Errorf("sendWithin: got %v, want that the server does not respond in time", err)
	}
	<-received
}

package dirlock

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADirectoryThatWasRemovedAndMadeAgainIsAnother(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	if !isAt(opened, dir) {
		t.Error("a directory is not the one at its own path")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if isAt(opened, dir) {
		t.Error("a directory that is gone counts as there")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if isAt(opened, dir) {
		t.Error("a lock on the old directory counts as one on the new")
	}
}

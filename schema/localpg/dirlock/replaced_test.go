package dirlock

import (
	"os"
	"path/filepath"
	"testing"
)

func TestIsAt(t *testing.T) {
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
		t.Error("its own path: got false, want true")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if isAt(opened, dir) {
		t.Error("after its removal: got true, want false")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if isAt(opened, dir) {
		t.Error("another directory at the path: got true, want false")
	}
}

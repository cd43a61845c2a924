//go:build unix

package datadir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// WriteToken puts the token that this user's commands use into the data directory and returns the file's path, for [Run].
func WriteToken(dir, token string) (string, error) {
	path := filepath.Join(dir, "token")
	written, err := writePrivate(dir, token)
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	if err := os.Rename(written, path); err != nil {
		return "", errors.Join(fmt.Errorf("token file: %w", err), os.Remove(written))
	}
	return path, nil
}

// Secret returns what tokens are signed with in development. The first process that asks makes it; it stays as long as the directory.
func Secret(dir string) (string, error) {
	secret, err := ReadSecret(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	written, err := writePrivate(dir, rand.Text()+rand.Text())
	if err != nil {
		return "", fmt.Errorf("development secret: %w", err)
	}
	// A link fails where another process was faster; then its secret is the one.
	err = os.Link(written, secretPath(dir))
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err := errors.Join(err, os.Remove(written)); err != nil {
		return "", fmt.Errorf("development secret: %w", err)
	}
	return ReadSecret(dir)
}

func secretPath(dir string) string { return filepath.Join(dir, "secret") }

// ReadSecret returns the secret that the directory has. Where it has none the error is [fs.ErrNotExist].
func ReadSecret(dir string) (string, error) {
	path := secretPath(dir)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("development secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("development secret: %s is empty; remove it to have a new one made", path)
	}
	return secret, nil
}

// writePrivate writes a line to a new file that only this user can read, and returns its path.
func writePrivate(dir, line string) (string, error) {
	file, err := os.CreateTemp(dir, "new-*") // 0600
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(line + "\n")
	if err := errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

//go:build unix

package datadir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// WriteToken writes the token for this user's commands into the data directory and returns the file's path, for [Run].
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

// Secret returns the secret that signs tokens in development. The first caller creates it; it stays as long as the
// directory.
func Secret(dir string) (string, error) {
	secret, err := keep(filepath.Join(dir, "secret"), rand.Text()+rand.Text())
	if err != nil {
		return "", fmt.Errorf("development secret: %w", err)
	}
	return secret, nil
}

// ReadSecret returns the secret in the directory. If there is none, the error is [fs.ErrNotExist].
func ReadSecret(dir string) (string, error) {
	secret, err := readLine(filepath.Join(dir, "secret"))
	if err != nil {
		return "", fmt.Errorf("development secret: %w", err)
	}
	return secret, nil
}

// NATSUser returns the user and password of the embedded nats-server. Both are random and stay as long as the
// directory, so that subscribers keep the same URL after a restart.
func NATSUser(dir string) (*url.Userinfo, error) {
	line, err := keep(filepath.Join(dir, "nats-user"), strings.ToLower(rand.Text()[:8])+":"+rand.Text())
	if err != nil {
		return nil, fmt.Errorf("user of the embedded nats-server: %w", err)
	}
	name, password, _ := strings.Cut(line, ":")
	return url.UserPassword(name, password), nil
}

// keep returns the line in the file at path, and creates the file from the value if it is missing.
func keep(path, value string) (string, error) {
	line, err := readLine(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return line, err
	}
	written, err := writePrivate(filepath.Dir(path), value)
	if err != nil {
		return "", err
	}
	// A link fails if another process was faster; then the value of that process counts.
	err = os.Link(written, path)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err := errors.Join(err, os.Remove(written)); err != nil {
		return "", err
	}
	return readLine(path)
}

func readLine(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	line := strings.TrimSpace(string(text))
	if line == "" {
		return "", fmt.Errorf("%s is empty; remove it to create a new one", path)
	}
	return line, nil
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

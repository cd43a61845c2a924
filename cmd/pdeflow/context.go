package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// contextFile holds a user's named contexts and the current one, which client commands use if they name no server.
type contextFile struct {
	Current  string                  `json:"current,omitempty"`
	Contexts map[string]namedContext `json:"contexts"`
}

// namedContext is a server and the file that holds the token for it.
type namedContext struct {
	Server    string `json:"server"`
	TokenFile string `json:"token_file,omitempty"`
}

// contextPath returns the path of the contexts, or "" without a home directory.
func contextPath(getenv func(string) string) string {
	if config := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(config) {
		return filepath.Join(config, "pdeflow", "contexts.json")
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "pdeflow", "contexts.json")
	}
	return ""
}

// readContexts reads the contexts. A missing file has none.
func readContexts(getenv func(string) string) (contextFile, error) {
	file := contextFile{Contexts: map[string]namedContext{}}
	path := contextPath(getenv)
	if path == "" {
		return file, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if err != nil {
		return file, fmt.Errorf("contexts: %w", err)
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return file, fmt.Errorf("contexts %s: %w", path, err)
	}
	return file, nil
}

// save replaces the file in one step, so that a reader never finds half a file.
func (f contextFile) save(getenv func(string) string) error {
	path := contextPath(getenv)
	if path == "" {
		return usagef("no place for contexts: set HOME or XDG_CONFIG_HOME")
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(fresh, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return errors.Join(fmt.Errorf("contexts: %w", err), os.Remove(fresh))
	}
	return nil
}

// find returns the context with the name.
func (f contextFile) find(name string) (namedContext, error) {
	found, ok := f.Contexts[name]
	if !ok {
		return found,
			usagef("there is no context %s; pdeflow context list shows them, and pdeflow context set creates one",
				quoted(name))
	}
	return found, nil
}

// token reads the token of a context. It is "" if the context has no token file.
func (c namedContext) token() (string, error) {
	if c.TokenFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("token of the context: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func (a *app) contextCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "context",
		Usage: "names servers, so that client commands need no --server and --token",
		Description: "A context is a server and the file that holds a token for it. Client commands use the " +
			"context of --context, else that of PDEFLOW_CONTEXT, else the current one. --server and " +
			"--data-dir override a context; PDEFLOW_SERVER overrides the current one.\n\n" +
			"pdeflow context set test --server https://pdeflow.test.example --token-file ~/.pdeflow-test-token\n" +
			"pdeflow context use test\n" +
			"pdeflow jobs list --context production",
		Commands: []*cli.Command{
			a.contextListCommand(), a.contextSetCommand(), a.contextUseCommand(), a.contextRemoveCommand(),
		},
	})
}

func (a *app) contextListCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "lists the contexts", Flags: []cli.Flag{jsonFlag()},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			file, err := readContexts(a.getenv)
			if err != nil {
				return err
			}
			if cmd.Bool(flagJSON) {
				return a.printJSON(file)
			}
			if len(file.Contexts) == 0 {
				fmt.Fprintln(a.stderr, "no contexts")
				return nil
			}
			w := table(a.stdout)
			printRow(w, "CONTEXT", "IN USE", "SERVER", "TOKEN FILE")
			for _, name := range slices.Sorted(maps.Keys(file.Contexts)) {
				printRow(w, name, name == file.Current, file.Contexts[name].Server, file.Contexts[name].TokenFile)
			}
			return w.Flush()
		},
	}
}

func (a *app) contextSetCommand() *cli.Command {
	return &cli.Command{
		Name: "set", Usage: "creates a context, or changes its server and token file", ArgsUsage: "NAME",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagServer, Usage: "`URL` of the API", Required: true},
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` that holds the bearer token", TakesFile: true},
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			name, err := argument(cmd, "NAME")
			if err != nil {
				return err
			}
			set := namedContext{Server: cmd.String(flagServer)}
			if !isHTTP(set.Server) {
				return usagef("--%s is a URL such as %s", flagServer, defaultServer)
			}
			if path := cmd.String("token-file"); path != "" {
				if set.TokenFile, err = filepath.Abs(path); err != nil {
					return usagef("--token-file: %w", err)
				}
				if _, err := set.token(); err != nil {
					return usagef("--token-file: %w", err)
				}
			}
			return a.changeContexts(func(file *contextFile) error {
				file.Contexts[name] = set
				return nil
			})
		},
	}
}

func (a *app) contextUseCommand() *cli.Command {
	return &cli.Command{
		Name: "use", Usage: "sets the current context, the default of client commands", ArgsUsage: "NAME",
		Action: func(_ context.Context, cmd *cli.Command) error {
			name, err := argument(cmd, "NAME")
			if err != nil {
				return err
			}
			return a.changeContexts(func(file *contextFile) error {
				file.Current = name
				_, err := file.find(name)
				return err
			})
		},
	}
}

func (a *app) contextRemoveCommand() *cli.Command {
	return &cli.Command{
		Name: "remove", Usage: "removes a context", ArgsUsage: "NAME",
		Action: func(_ context.Context, cmd *cli.Command) error {
			name, err := argument(cmd, "NAME")
			if err != nil {
				return err
			}
			return a.changeContexts(func(file *contextFile) error {
				if _, err := file.find(name); err != nil {
					return err
				}
				delete(file.Contexts, name)
				if file.Current == name {
					file.Current = ""
				}
				return nil
			})
		},
	}
}

// changeContexts reads the contexts, changes them, and saves them.
func (a *app) changeContexts(change func(*contextFile) error) error {
	file, err := readContexts(a.getenv)
	if err != nil {
		return err
	}
	if err := change(&file); err != nil {
		return err
	}
	return file.save(a.getenv)
}

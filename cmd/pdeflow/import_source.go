package main

import (
	"os"

	"github.com/urfave/cli/v3"
)

const (
	flagSourceURL  = "source-url"
	flagSourceName = "source-name"
	flagSourceCA   = "source-ca"
)

// sourceURLFlag has no default in the help, because the URL may contain a password.
func (a *app) sourceURLFlag() cli.Flag {
	return &typedFlag{StringFlag: &cli.StringFlag{
		Name: flagSourceURL, Usage: "`URL` of a database to read candidate columns from, such as " +
			"postgres://user:password@host/database",
		Sources: a.env("PDEFLOW_SOURCE_URL"), HideDefault: true,
	}}
}

// sourceFields returns the fields of the form for the database to read; none without one. The URL of the environment
// counts only with --source-name, because it is set for other imports too.
func sourceFields(cmd *cli.Command) (map[string]string, error) {
	location, name, ca := cmd.String(flagSourceURL), cmd.String(flagSourceName), cmd.String(flagSourceCA)
	switch {
	case name == "" && typed(cmd, flagSourceURL):
		return nil, usagef("--%s needs --%s, the name of the data source", flagSourceURL, flagSourceName)
	case name == "" && ca == "":
		return map[string]string{}, nil
	case name == "":
		return nil, usagef("--%s is for --%s", flagSourceCA, flagSourceURL)
	case location == "":
		return nil, usagef(
			"--%s needs the URL of a database: --%s or PDEFLOW_SOURCE_URL",
			flagSourceName,
			flagSourceURL,
		)
	case cmd.String("columns") != "":
		return nil, usagef("give --columns or --%s, and not both in one import", flagSourceName)
	}
	fields := map[string]string{"source_url": location, "source_name": name}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, usagef("--%s: %w", flagSourceCA, err)
		}
		fields["source_ca"] = string(text)
	}
	return fields, nil
}

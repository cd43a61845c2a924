package main

import (
	"os"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

func (a *app) vocabularyFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "vocabulary", TakesFile: true, Sources: a.env("PDEFLOW_VOCABULARY"),
		Usage: "`FILE` with the organisation's abbreviations and synonyms, such as brwr: borrower",
	}
}

// readVocabulary reads the vocabulary of --vocabulary, or returns nil. An unreadable file is wrong usage; errors in the
// vocabulary are a result of the command.
func readVocabulary(cmd *cli.Command) (*words.Vocabulary, error) {
	path := cmd.String("vocabulary")
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("--vocabulary (PDEFLOW_VOCABULARY): %w", err)
	}
	return words.ParseVocabulary(path, text)
}

// readEngine reads the policy of --rules and the vocabulary of --vocabulary.
func readEngine(cmd *cli.Command) (*rules.Engine, error) {
	p, err := readPolicy(cmd.String("rules"))
	if err != nil {
		return nil, err
	}
	vocabulary, err := readVocabulary(cmd)
	if err != nil {
		return nil, err
	}
	return rules.New(p).WithVocabulary(vocabulary), nil
}

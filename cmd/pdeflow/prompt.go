package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
)

func (a *app) promptCommand() *cli.Command {
	return group(&cli.Command{
		Name: "prompt", Usage: "shows what a model is asked",
		Description: "Reads the database and sends nothing. Use the policy and the vocabulary of the server.\n\n" +
			"pdeflow prompt show --mapping 0198c2f0\n" +
			"pdeflow prompt show --mapping 0198c2f0 --llm openai --llm-model qwen3 --json",
		Commands: []*cli.Command{a.promptShowCommand()},
	})
}

func (a *app) promptShowCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{
			Name: "mapping", Required: true, Usage: "the `ID` of the mapping, or the beginning of an id",
		},
		&cli.BoolFlag{Name: "classify", Usage: "as a job that only classifies, which asks for no column"},
		&cli.StringFlag{
			Name: "rules", TakesFile: true, Usage: "policy `FILE` (default: the one built in)",
			Sources: a.env("PDEFLOW_RULES"),
		},
		a.vocabularyFlag(), jsonFlag(),
	}
	return &cli.Command{
		Name: "show", Usage: "prints the request that a job would send to the model for a mapping",
		Description: "Prints the instructions, the data and the JSON schema of the reply, and whether a hybrid job " +
			"would send them. With a model (--llm, --llm-model), --json has the body of the HTTP request and the " +
			"digest that jobs calls shows for it. No key is needed.",
		Flags:  append(append(flags, a.modelFlags()...), a.operatorFlags()...),
		Action: a.promptShow,
	}
}

// shownPrompt is the output of prompt show. Model, Digest and Body are those of a model, if one is given.
type shownPrompt struct {
	MappingID     string          `json:"mapping_id"`
	PromptVersion string          `json:"prompt_version"`
	Candidates    int             `json:"candidates"`
	Bytes         int64           `json:"request_bytes"`
	Doubt         *string         `json:"hybrid_reason"`
	System        string          `json:"system"`
	User          string          `json:"user"`
	Schema        json.RawMessage `json:"schema"`
	Tables        *shownTables    `json:"tables"`
	Model         *string         `json:"model"`
	Digest        *string         `json:"request_sha256"`
	Body          json.RawMessage `json:"body"`
}

// shownTables is the request that comes first and asks for tables. The candidates of the other request are those that
// it has if the model names none.
type shownTables struct {
	Bytes  int64           `json:"request_bytes"`
	User   string          `json:"user"`
	Schema json.RawMessage `json:"schema"`
}

func (a *app) promptShow(ctx context.Context, cmd *cli.Command) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	engine, err := readEngine(cmd)
	if err != nil {
		return err
	}
	model, err := readModelWithoutKey(cmd, engine.Policy())
	if err != nil {
		return err
	}
	jobType := schema.JobTypePDERegeneration
	if cmd.Bool("classify") {
		jobType = schema.JobTypePDEClassification
	}
	return a.withDatabase(ctx, cmd, func(ctx context.Context, db *schema.DB) error {
		mapping, err := schema.FindMapping(ctx, db, cmd.String("mapping"))
		if errors.Is(err, schema.ErrNotFound) {
			return fmt.Errorf("there is no mapping %s", quoted(cmd.String("mapping")))
		}
		if err != nil {
			return err
		}
		prompt := llm.NewPrompt(engine.Policy())
		preview, err := classifier.PreviewRequest(ctx, db, engine, prompt, jobType, mapping)
		if err != nil {
			return err
		}
		shown, err := showPrompt(mapping.ID, prompt, preview, model)
		if err != nil {
			return err
		}
		if cmd.Bool(flagJSON) {
			return a.printJSON(shown)
		}
		return a.printPrompt(shown)
	})
}

func showPrompt(id string, prompt *llm.Prompt, preview classifier.Preview, model *llm.Model) (shownPrompt, error) {
	r := preview.Request
	shown := shownPrompt{
		MappingID: id, PromptVersion: prompt.Version(), Candidates: preview.Candidates, Bytes: llm.Bytes(r),
		System: r.System, User: r.Messages[0].Text, Schema: r.Schema,
	}
	if preview.Doubt != "" {
		shown.Doubt = &preview.Doubt
	}
	if first := preview.Tables; first != nil {
		shown.Tables = &shownTables{Bytes: llm.Bytes(*first), User: first.Messages[0].Text, Schema: first.Schema}
	}
	if model == nil {
		return shown, nil
	}
	body, err := model.Body(r)
	shown.Model, shown.Digest, shown.Body = new(model.Name()), new(model.Hash(r)), body
	return shown, err
}

func (a *app) printPrompt(p shownPrompt) error {
	asks := "A hybrid job would not send it: the rules are sure."
	if p.Doubt != nil {
		asks = "A hybrid job would send it: " + *p.Doubt + "."
	}
	tables := ""
	if p.Tables != nil {
		tables = fmt.Sprintf("\n--- user, before: the model names tables, and their columns become the candidates "+
			"(%d bytes)\n%s\n", p.Tables.Bytes, p.Tables.User)
	}
	var format bytes.Buffer
	if err := json.Indent(&format, p.Schema, "", "  "); err != nil {
		return fmt.Errorf("schema of the reply: %w", err)
	}
	const layout = "Prompt %s, %d bytes, %s. %s\n\n--- system\n%s\n%s\n--- user\n%s\n\n--- schema\n%s\n"
	_, err := fmt.Fprintf(a.stdout, layout,
		p.PromptVersion, p.Bytes, count(int64(p.Candidates), "candidate"), asks, p.System, tables, p.User, &format)
	return err
}

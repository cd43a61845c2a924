package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// checkTimeout bounds the check of the key and the model at start.
const checkTimeout = 20 * time.Second

// modelFlags are the flags of the commands that ask a language model.
func (a *app) modelFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "llm", Usage: "protocol of the model's provider: openai or anthropic",
			Sources: a.env("PDEFLOW_LLM"),
		},
		&cli.StringFlag{
			Name: "llm-model", Usage: "`NAME` of the model, as the provider has it",
			Sources: a.env("PDEFLOW_LLM_MODEL"),
		},
		&cli.StringFlag{
			Name: "llm-prices", Sources: a.env("PDEFLOW_LLM_PRICES"),
			Usage: "`JSON` with the prices in USD per million tokens: {\"model\": {\"input\": 3, \"output\": 15}}",
		},
		&cli.StringFlag{
			Name: "llm-calibration", TakesFile: true, Sources: a.env("PDEFLOW_LLM_CALIBRATION"),
			Usage: "`FILE` that corrects the model's confidences, written by eval --calibrate",
		},
		&cli.StringFlag{
			Name: "openai-api-key", Usage: "`KEY` of the provider; better in the environment",
			Sources: a.env("OPENAI_API_KEY"),
		},
		&cli.StringFlag{
			Name:    "openai-base-url",
			Usage:   "`URL` of a server with OpenAI's protocol, such as http://127.0.0.1:11434/v1",
			Sources: a.env("OPENAI_BASE_URL"),
		},
		&cli.StringFlag{
			Name: "anthropic-api-key", Usage: "`KEY` of the provider; better in the environment",
			Sources: a.env("ANTHROPIC_API_KEY"),
		},
		&cli.StringFlag{
			Name: "anthropic-base-url", Usage: "`URL` of a server with Anthropic's protocol",
			Sources: a.env("ANTHROPIC_BASE_URL"),
		},
	}
}

// readModel returns the model of the flags, or nil if they name none. A missing key and a wrong value are wrong usage.
func readModel(cmd *cli.Command, p *policy.Policy) (*llm.Model, error) {
	protocol := cmd.String("llm")
	prices, err := llm.ParsePrices(cmd.String("llm-prices"))
	if err != nil {
		return nil, usagef("--llm-prices (PDEFLOW_LLM_PRICES): %w", err)
	}
	if protocol == "" {
		if cmd.String("llm-model") != "" {
			return nil, usagef("--llm-model (PDEFLOW_LLM_MODEL) needs --llm (PDEFLOW_LLM): openai or anthropic")
		}
		return nil, nil
	}
	if err := oneOf(protocol, []string{provider.OpenAI, provider.Anthropic}); err != nil {
		return nil, usagef("--llm (PDEFLOW_LLM) cannot be %s: %w", quoted(protocol), err)
	}
	client, err := provider.New(provider.Config{
		Protocol: protocol, Model: cmd.String("llm-model"),
		BaseURL: cmd.String(protocol + "-base-url"), APIKey: cmd.String(protocol + "-api-key"),
	})
	if err != nil {
		return nil, &usageError{err}
	}
	model := llm.New(client, llm.NewPrompt(p), prices)
	path := cmd.String("llm-calibration")
	if path == "" {
		return model, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &usageError{err}
	}
	calibration, err := llm.ParseCalibration(string(text))
	if err != nil {
		return nil, usagef("--llm-calibration (PDEFLOW_LLM_CALIBRATION): %s: %w", path, err)
	}
	return model.WithCalibration(calibration), nil
}

// checkModel verifies the key and the model, so that a job cannot find them wrong later. A provider that cannot be
// reached is logged: a job waits for it.
func checkModel(ctx context.Context, model *llm.Model, log *slog.Logger) error {
	if model == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := model.Check(ctx)
	failure, ok := errors.AsType[*provider.Error](err)
	switch {
	case err == nil:
		return nil
	case ok && failure.Kind == provider.KindKey:
		return usagef("the provider refuses the API key (OPENAI_API_KEY or ANTHROPIC_API_KEY): %w", err)
	case ok && failure.Kind == provider.KindModel:
		return usagef("--llm-model (PDEFLOW_LLM_MODEL): %w", err)
	default:
		log.WarnContext(ctx, "the model's provider cannot be checked; jobs wait for it", "error", err)
		return nil
	}
}

// readModelWithoutKey is readModel for commands that send nothing and need no key.
func readModelWithoutKey(cmd *cli.Command, p *policy.Policy) (*llm.Model, error) {
	if protocol := cmd.String("llm"); protocol != "" && cmd.String(protocol+"-api-key") == "" {
		if err := cmd.Set(protocol+"-api-key", "none"); err != nil {
			return readModel(cmd, p) // which names the wrong protocol
		}
	}
	return readModel(cmd, p)
}

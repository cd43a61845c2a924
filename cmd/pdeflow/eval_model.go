package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/eval"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/llm/throttle"
)

// evalCalls is the number of calls of the model that eval makes at once.
const evalCalls = 8

// evalModelFlags are the flags of eval for the classifiers with a model.
func (a *app) evalModelFlags() []cli.Flag {
	return append([]cli.Flag{
		fileFlag("replay", "recorded replies of the model, so that it is not asked: those of --record, or of jobs "+
			"calls --json"),
		&cli.StringFlag{
			Name: "record", TakesFile: true, Usage: "write the replies of the model to this new `FILE`, for --replay",
		},
		&cli.StringFlag{
			Name: "calibrate", TakesFile: true,
			Usage: "write corrections of the model's confidences, computed from the labels, to this new `FILE`, for " +
				"--llm-calibration",
		},
	}, a.modelFlags()...)
}

// evalModel measures the classifier with a model after the rules, and compares both.
func (a *app) evalModel(
	ctx context.Context, cmd *cli.Command, set eval.Set, rulesOnly eval.Subject, limit int,
) (evalResult, error) {
	first, err := set.Answer(rulesOnly) //nolint:contextcheck // it takes seconds
	if err != nil {
		return evalResult{}, fmt.Errorf("%s: %w", cmd.String("gold"), err)
	}
	subject, done, err := evalModelSubject(cmd, rulesOnly)
	if err != nil {
		return evalResult{}, err
	}
	second, asked, err := set.Ask(ctx, subject)
	if err = errors.Join(err, done()); err != nil {
		return evalResult{}, err
	}
	result := newEvalResult(set)
	limit = mistakesLimit(set, limit)
	result.Results = []eval.Measures{
		eval.Measure(rulesOnly, first, limit), eval.Measure(subject.Subject, second, limit),
	}
	result.Differences = eval.Compare(first, second)
	result.Asked = &asked
	if path := cmd.String("calibrate"); path != "" {
		return result, writeNew(path, eval.Calibrate(second).Format())
	}
	return result, nil
}

// evalModelSubject returns the subject of the flags. The caller calls done at the end.
func evalModelSubject(cmd *cli.Command, rulesOnly eval.Subject) (s eval.ModelSubject, done func() error, err error) {
	done = func() error { return nil }
	replay, record := cmd.String("replay"), cmd.String("record")
	if replay != "" && record != "" {
		return s, done, usagef("--replay asks nothing that --record could write")
	}
	read := readModel
	if replay != "" {
		read = readModelWithoutKey
	}
	model, err := read(cmd, rulesOnly.Engine.Policy())
	if err != nil {
		return s, done, err
	}
	kind := schema.ClassifierKind(cmd.String("classifier"))
	if model == nil {
		return s, done, usagef("--classifier %s needs a model: --llm and --llm-model", kind)
	}
	if path := cmd.String("calibrate"); path != "" {
		if model.Calibration() != nil {
			return s, done, usagef(
				"--calibrate needs the confidences without --llm-calibration (PDEFLOW_LLM_CALIBRATION)")
		}
		if _, err := os.Stat(path); err == nil { // found before calls that cost something
			return s, done, usagef("--calibrate: %s exists", path)
		}
	}
	s = eval.ModelSubject{
		Subject: eval.Subject{
			Name: fmt.Sprintf("%s (%s)", kind, model.ClassifiedBy()), Engine: rulesOnly.Engine,
		},
		Kind: kind, Model: model, Concurrency: evalCalls, Send: sendLive(model),
	}
	switch {
	case replay != "":
		s.Name += ", replayed from " + replay
		s.Send, err = openReplay(model, replay)
	case record != "":
		file, createErr := os.OpenFile(record, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if createErr != nil {
			return s, done, &usageError{createErr}
		}
		s.Send, done = eval.Record(model, s.Send, file), file.Close
	}
	return s, done, err
}

func openReplay(model *llm.Model, path string) (llm.Send, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &usageError{err}
	}
	defer file.Close() //nolint:errcheck // it was only read
	send, err := eval.Replay(model, file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return send, nil
}

// writeNew writes a file that does not exist yet.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // it has no secret
	if err != nil {
		return &usageError{err}
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// sendLive returns a Send that calls the model, as often as the provider allows. It waits while the provider accepts no
// calls because there are too many; a provider that is away ends the measurement.
func sendLive(model *llm.Model) llm.Send {
	limiter := throttle.New(evalCalls)
	return func(ctx context.Context, _ schema.CallStep, r provider.Request) (reply provider.Reply, err error) {
		for {
			err = limiter.Do(ctx, func(ctx context.Context) (err error) {
				reply, err = model.Complete(ctx, r)
				return err
			})
			paused, isPaused := errors.AsType[*throttle.WaitError](err)
			refusal, refused := errors.AsType[*provider.Error](err)
			if !isPaused || !refused ||
				refusal.Kind != provider.KindRateLimited && refusal.Kind != provider.KindOverloaded {
				return reply, err
			}
			select {
			case <-time.After(time.Until(paused.Until)):
			case <-ctx.Done():
				return reply, err
			}
		}
	}
}

// printAsked prints what the model was asked and what it cost.
func printAsked(w io.Writer, result evalResult) {
	a := result.Asked
	better, worse := 0, 0
	for _, d := range result.Differences {
		switch d.Effect {
		case "better":
			better++
		case "worse":
			worse++
		}
	}
	fmt.Fprintf(w, "\nThe model was asked about %d of %s (%s) by %s, %d of them with tables first; %d had no usable "+
		"reply.\nTokens: %d in, of which %d cached, and %d out. Cost: %.4f USD, %.2f USD for 1,000 mappings.\n"+
		"Of the answers that differ from the rules', %d are better and %d worse.\n", a.Attributes,
		count(int64(result.Labels), "label"), percentText(a.Share), count(int64(a.Calls), "call"), a.Tables, a.Unusable,
		a.InputTokens, a.CachedInputTokens, a.OutputTokens, a.CostUSD, a.PerThousandUSD, better, worse)
}

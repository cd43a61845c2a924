package llm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

// Model is a model of a provider with its prompt and its price. It is safe for concurrent use.
type Model struct {
	client *provider.Client
	prompt *Prompt
	price  Price
	priced bool
	// calibration is nil if there is none.
	calibration Calibration
}

// New returns a model that is asked through the client. If the prices have none for the model, its cost is unknown and
// counted as zero.
func New(client *provider.Client, prompt *Prompt, prices Prices) *Model {
	price, priced := prices[client.Model()]
	return &Model{client: client, prompt: prompt, price: price, priced: priced}
}

// WithCalibration returns the model with corrected confidences.
func (m *Model) WithCalibration(c Calibration) *Model {
	calibrated := *m
	calibrated.calibration = c
	return &calibrated
}

// Calibration returns the corrections of the model's confidences; nil if there are none.
func (m *Model) Calibration() Calibration { return m.calibration }

// Name returns the name of the model.
func (m *Model) Name() string { return m.client.Model() }

// Prompt returns the prompt.
func (m *Model) Prompt() *Prompt { return m.prompt }

// HasPrice reports whether the cost of the model is known.
func (m *Model) HasPrice() bool { return m.priced }

// ClassifiedBy returns the name that mappings record: llm:MODEL@PROMPT VERSION.
func (m *Model) ClassifiedBy() string { return schema.ModelPrefix + m.Name() + "@" + m.prompt.version }

// Digest identifies the model, everything in the prompt that is the same for all mappings, and the corrections of the
// confidences.
func (m *Model) Digest() string { return m.Name() + " " + m.prompt.Digest() + m.calibration.digest() }

// Complete sends a request once. The error is that of [provider.Client.Complete].
func (m *Model) Complete(ctx context.Context, r provider.Request) (provider.Reply, error) {
	return m.client.Complete(ctx, r)
}

// Body returns the body of the HTTP request that Complete sends, as JSON.
func (m *Model) Body(r provider.Request) ([]byte, error) { return m.client.Body(r) }

// Decode reads the body of a response that was recorded. The error is that of [provider.Client.Decode].
func (m *Model) Decode(body []byte) (provider.Reply, error) { return m.client.Decode(body) }

// Check verifies the key and the model. The error is that of [provider.Client.Check].
func (m *Model) Check(ctx context.Context) error { return m.client.Check(ctx) }

// Cost returns the exact cost of a call, zero without a price.
func (m *Model) Cost(u provider.Usage) schema.USD { return m.price.Cost(u) }

// MaxCost returns the most that a call with this request can cost, zero without a price. A token has at least two
// bytes on average, whatever the language.
func (m *Model) MaxCost(r provider.Request) schema.USD {
	const bytesPerToken, overhead = 2, 100
	return m.price.most(Bytes(r)/bytesPerToken+overhead, int64(r.MaxOutputTokens))
}

// Hash returns the digest of everything that a request to the model sends, as [schema.ModelCall] records it.
func (m *Model) Hash(r provider.Request) string {
	text, err := json.Marshal([]any{m.Name(), r})
	if err != nil {
		panic(fmt.Sprintf("request of a model: %v", err)) // not possible: every field can be encoded
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Bytes returns the size of a request's texts.
func Bytes(r provider.Request) int64 {
	n := len(r.System) + len(r.Schema)
	for _, message := range r.Messages {
		n += len(message.Text)
	}
	return int64(n)
}

// Send sends a request and records the call. A reply that the protocol itself does not allow, or a refusal, is returned
// as an [*provider.Error] with the reply as far as it was read.
type Send func(ctx context.Context, step schema.CallStep, r provider.Request) (provider.Reply, error)

// InvalidReply is the error of a reply that cannot be used, after the one repair.
type InvalidReply struct{ Problems string }

func (e *InvalidReply) Error() string { return "the model's reply cannot be used: " + e.Problems }

// Opinion is the answer to a question, and how sure the model was of its choices by the probabilities of their tokens;
// 1 if the provider returns none.
type Opinion struct {
	Answer
	ColumnCertainty, TierCertainty float64
	// LawTexts are the texts of the answer's laws.
	LawTexts []string

	calibration Calibration
}

// Ask asks the model a question. A reply that cannot be used is repaired once; the error is an [*InvalidReply] if the
// second one cannot be used either. Other errors are those of send.
func (m *Model) Ask(ctx context.Context, q Question, send Send) (Opinion, error) {
	var answer Answer
	reply, err := m.ask(ctx, schema.CallStepAnswer, m.prompt.Answer(q), send, func(text string) (err error) {
		answer, err = m.prompt.parse(q, text)
		return err
	})
	if err != nil {
		return Opinion{}, err
	}
	return m.opinion(answer, reply), nil
}

// AskTables asks in which of the question's tables the column could be. It returns the indexes of at most maxNamed
// tables, the best first, and none if the model names none. The errors are those of Ask.
func (m *Model) AskTables(ctx context.Context, q Question, send Send) (named []int, err error) {
	_, err = m.ask(ctx, schema.CallStepTables, m.prompt.Tables(q), send, func(text string) (err error) {
		named, err = parseTables(q, text)
		return err
	})
	return named, err
}

// ask sends a request, and a repair if parse refuses the reply. It returns the reply that parse has accepted.
func (m *Model) ask(
	ctx context.Context, step schema.CallStep, request provider.Request, send Send, parse func(text string) error,
) (provider.Reply, error) {
	for {
		reply, err := send(ctx, step, request)
		if err == nil {
			err = parse(reply.Text)
		} else if !IsUnusable(err) {
			return reply, err
		}
		switch {
		case err == nil:
			return reply, nil
		case step == schema.CallStepRepair:
			return reply, &InvalidReply{Problems: err.Error()}
		}
		request, step = m.prompt.repair(request, reply.Text, problems(err)), schema.CallStepRepair
	}
}

// IsUnusable reports whether the model replied and the reply cannot be used.
func IsUnusable(err error) bool {
	failure, ok := errors.AsType[*provider.Error](err)
	return ok && (failure.Kind == provider.KindMalformed || failure.Kind == provider.KindRefusal)
}

// problems describes a reply that cannot be used to the model.
func problems(err error) string {
	if failure, ok := errors.AsType[*provider.Error](err); ok {
		return fmt.Sprintf("it is a %s", failure.Kind)
	}
	return err.Error()
}

func (m *Model) opinion(a Answer, reply provider.Reply) Opinion {
	o := Opinion{
		Answer:          a,
		calibration:     m.calibration,
		ColumnCertainty: certainty(reply, "column"),
		TierCertainty:   certainty(reply, "information_security_classification"),
	}
	for _, law := range a.Laws {
		o.LawTexts = append(o.LawTexts, m.prompt.laws[law])
	}
	return o
}

package eval

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

// ModelSubject is a classifier with a model.
type ModelSubject struct {
	Subject
	// Kind is llm or hybrid.
	Kind  schema.ClassifierKind
	Model *llm.Model
	// Send sends the requests, or replays recorded replies. Concurrency of them run at once.
	Send        llm.Send
	Concurrency int
}

// Asked is what a subject has asked the model for.
type Asked struct {
	// Attributes is the number of attributes that the model was asked about, Share that share of the labelled ones,
	// and Tables the number for which it named tables first.
	Attributes int     `json:"attributes"`
	Share      float64 `json:"share"`
	Tables     int     `json:"tables_first"`
	// Unusable counts the attributes without a reply that could be used. Their answers are those of the rules; a job
	// would ask again, and then fail them.
	Unusable int `json:"unusable"`
	// Calls counts the replies, with repairs.
	Calls             int     `json:"calls"`
	InputTokens       int64   `json:"input_tokens"`
	CachedInputTokens int64   `json:"cached_input_tokens"`
	OutputTokens      int64   `json:"output_tokens"`
	CostUSD           float64 `json:"cost_usd"`
	// PerThousandUSD is the cost of a thousand attributes of the report, with those that were not asked about.
	PerThousandUSD float64 `json:"cost_usd_per_1000"`
}

// Ask returns the subject's answers for the labelled attributes, in the order of the labels, and what they cost.
func (s Set) Ask(ctx context.Context, subject ModelSubject) ([]Answer, Asked, error) {
	positions, err := s.labelled()
	if err != nil {
		return nil, Asked{}, err
	}
	report, err := classifier.NewReport(ctx, subject.Engine, subject.Model, s.Report, s.Attributes, s.Columns)
	if err != nil {
		return nil, Asked{}, err
	}
	count := counter{send: subject.Send, model: subject.Model}
	answers := make([]Answer, len(positions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(subject.Concurrency, 1))
	for i, position := range positions {
		group.Go(func() error {
			a := Answer{Attribute: s.Attributes[position], Label: s.Labels[i]}
			p, err := report.Propose(ctx, subject.Kind, a.Attribute, count.call)
			_, unusable := errors.AsType[*llm.InvalidReply](err)
			if err != nil && !unusable {
				return fmt.Errorf("%s: %w", nameOf(a.Label), err)
			}
			count.add(p.Doubt != "", unusable)
			a.ColumnAgreement, a.ClassAgreement = p.ColumnAgreement, p.ClassAgreement
			if a.Ranking, a.Class = p.Ranking, p.Class; len(s.Columns) == 0 {
				a.Label.SourceField = nil
			}
			answers[i] = a
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, Asked{}, err
	}
	return answers, count.total(len(positions)), nil
}

// counter adds up the calls of a subject.
type counter struct {
	send  llm.Send
	model *llm.Model

	mu    sync.Mutex
	asked Asked
	cost  schema.USD
}

// call sends a request and counts its usage.
func (c *counter) call(ctx context.Context, step schema.CallStep, r provider.Request) (provider.Reply, error) {
	reply, err := c.send(ctx, step, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if step == schema.CallStepTables {
		c.asked.Tables++
	}
	c.asked.Calls++
	c.asked.InputTokens += reply.Usage.InputTokens
	c.asked.CachedInputTokens += reply.Usage.CachedTokens
	c.asked.OutputTokens += reply.Usage.OutputTokens
	c.cost += c.model.Cost(reply.Usage)
	return reply, err
}

func (c *counter) add(asked, unusable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if asked {
		c.asked.Attributes++
	}
	if unusable {
		c.asked.Unusable++
	}
}

// total returns the sums for a number of labelled attributes.
func (c *counter) total(labels int) Asked {
	a := c.asked
	a.Share, a.CostUSD = share(a.Attributes, labels), c.cost.Float()
	a.PerThousandUSD = 1000 * a.CostUSD / float64(labels)
	return a
}

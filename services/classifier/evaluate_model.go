package classifier

import (
	"context"
	"errors"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/llm/throttle"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// plan is what becomes of work of the llm lane: it is unchanged, the rules are sure, or the model is asked. It is made
// without a call, so that a job, an estimate and `pdeflow prompt show` agree.
type plan struct {
	// proposal is that of the rules, and after the mapping with their column.
	proposal
	after schema.Mapping
	// unchanged is true if the result would be that of the last job.
	unchanged bool
	// doubt is why the model is asked; it is empty if it is not.
	doubt string
	// question is what the model is asked. Its candidates are at these positions.
	question  llm.Question
	positions []int
	// tables are those that the model names before it chooses; empty if it chooses at once.
	tables []tableKey
	// columnAgreement and classAgreement compare the model's answer with that of the rules; empty without an answer.
	columnAgreement, classAgreement llm.Agreement
}

// propose returns the plan for the work without a digest. The rules propose first; the model is asked always, or, in a
// hybrid job, if the rules are unsure.
func propose(engine *rules.Engine, from *candidates, work schema.Work) plan {
	p := plan{proposal: proposal{chosen: rank(from, work), by: engine.ClassifiedBy()}}
	p.after = applyColumn(engine, from, work, p.chosen)
	p.answer = classifyByRules(engine, from, work, p.after)
	if p.doubt = doubt(work, p.proposal); p.doubt != "" {
		p.question, p.positions, p.tables = question(from, work, p.chosen)
	}
	return p
}

// newPlan returns the plan for the work. The digest of its result covers everything that is sent.
func newPlan(engine *rules.Engine, model *llm.Model, from *candidates, work schema.Work) plan {
	p := propose(engine, from, work)
	digest := digestOf(model, work.Classifier)
	if p.doubt != "" {
		p.by = model.ClassifiedBy()
		digest += " " + model.Hash(model.Prompt().Answer(p.question))
		if len(p.tables) > 0 {
			digest += " " + model.Hash(model.Prompt().Tables(p.question)) + " " + tablesDigest(from, p.tables)
		}
	}
	p.hash = inputHash(engine, from, work, p.chosen, digest)
	p.unchanged = isUnchanged(work, p.hash)
	return p
}

// evaluateWithModel is evaluate for the jobs of the llm lane. No transaction is open during a call.
func (c *Classifier) evaluateWithModel(
	ctx context.Context, from *candidates, work schema.Work,
) (schema.Mapping, schema.ItemResult, error) {
	p := newPlan(c.engine, c.model, from, work)
	switch {
	case p.unchanged:
		after, saved := unchanged(work, p.by)
		return after, saved, nil
	case p.doubt == "":
		after, saved := conclude(work, p.after, p.proposal)
		return after, saved, nil
	}
	opinion, err := p.ask(ctx, c.model, from, c.caller(work).send)
	if err != nil {
		return work.Mapping, schema.ItemResult{}, c.askError(ctx, work, err)
	}
	p.follow(c.engine, from, work, opinion)
	after, saved := conclude(work, p.after, p.proposal)
	saved.Usage, err = schema.SumUsage(ctx, c.db, work.Item.JobID, work.Item.MappingID)
	return after, saved, err
}

// follow makes the plan's proposal that of the model, and compares it with that of the rules.
func (p *plan) follow(engine *rules.Engine, from *candidates, work schema.Work, opinion llm.Opinion) {
	if p.question.Maps {
		byRules := p.chosen.SourceField
		p.chosen = chooseByModel(from, work.Attribute, p.chosen, opinion, p.positions)
		p.after = applyColumn(engine, from, work, p.chosen)
		p.columnAgreement = llm.AgreementNone
		if p.chosen.SourceField == byRules {
			p.columnAgreement = llm.AgreementFull
		}
	}
	byRules := classifyByRules(engine, from, work, p.after)
	p.answer, p.classAgreement = classByModel(byRules, opinion), classAgreement(byRules, opinion)
}

// digestOf identifies the kind of classifier, the model and its prompt; it is empty for the rules alone.
func digestOf(model *llm.Model, kind schema.ClassifierKind) string {
	if kind == schema.ClassifierRules {
		return ""
	}
	return string(kind) + " " + model.Digest()
}

// askError returns the error of a question: a [judgeError] if the provider or the model refused this mapping, and
// otherwise the error itself, which does not count.
func (c *Classifier) askError(ctx context.Context, work schema.Work, err error) error {
	counted := &judgeError{code: schema.ErrorCodeClassifier, err: err, by: c.model.ClassifiedBy()}
	failure, refused := errors.AsType[*provider.Error](err)
	_, paused := errors.AsType[*throttle.WaitError](err)
	_, invalid := errors.AsType[*llm.InvalidReply](err)
	switch {
	case paused:
		return err
	case invalid:
	case refused && (failure.Kind == provider.KindTooLong || failure.Kind == provider.KindRequest):
		counted.final = true // the same request would be refused again
	case refused && failure.Kind == provider.KindUnavailable: // the limiter returns it if other calls succeed
	default:
		return err
	}
	usage, sumErr := schema.SumUsage(ctx, c.db, work.Item.JobID, work.Item.MappingID)
	counted.usage = usage
	return errors.Join(counted, sumErr)
}

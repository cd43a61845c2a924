package classifier

import (
	"context"
	"errors"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/llm/throttle"
)

// evaluateWithModel is evaluate for the jobs of the llm lane. The rules propose first; the model is asked always, or,
// in a hybrid job, if the rules are unsure. No transaction is open during a call.
func (c *Classifier) evaluateWithModel(
	ctx context.Context, from *candidates, work schema.Work,
) (schema.Mapping, schema.ItemResult, error) {
	p := proposal{chosen: rank(from, work), by: c.engine.ClassifiedBy()}
	p.hash = inputHash(c.engine, from, work, p.chosen, digestOf(c.model, work.Classifier))
	if isUnchanged(work, p.hash) {
		after, saved := unchanged(work, c.model.ClassifiedBy())
		return after, saved, nil
	}
	after := applyColumn(c.engine, from, work, p.chosen)
	p.answer = classifyByRules(c.engine, from, work, after)
	if work.Classifier == schema.ClassifierHybrid && doubt(work, p) == "" {
		after, saved := conclude(work, after, p)
		return after, saved, nil
	}
	q, positions := question(from, work, p.chosen)
	opinion, err := c.model.Ask(ctx, q, c.caller(work).send)
	if err != nil {
		return work.Mapping, schema.ItemResult{}, c.askError(ctx, work, err)
	}
	p.by = c.model.ClassifiedBy()
	if q.Maps {
		p.chosen = chooseByModel(from, work.Attribute, p.chosen, opinion, positions)
		after = applyColumn(c.engine, from, work, p.chosen)
	}
	p.answer = classByModel(classifyByRules(c.engine, from, work, after), opinion)
	after, saved := conclude(work, after, p)
	saved.Usage, err = schema.SumUsage(ctx, c.db, work.Item.JobID, work.Item.MappingID)
	return after, saved, err
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

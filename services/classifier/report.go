package classifier

import (
	"context"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// Report proposes columns and classes for the attributes of a report as a job of the llm lane does, without a database.
// It is safe for concurrent use.
type Report struct {
	engine *rules.Engine
	model  *llm.Model
	from   *candidates
}

// NewReport returns a report of this name with these attributes and columns. The error is that of ctx.
func NewReport(
	ctx context.Context, engine *rules.Engine, model *llm.Model, name string, attributes []schema.Attribute,
	all []schema.SourceColumn,
) (*Report, error) {
	ranking, err := columns.NewIndexWithVocabulary(all, engine.Vocabulary()).ReportContext(ctx, attributes)
	if err != nil {
		return nil, err
	}
	return &Report{engine: engine, model: model, from: newCandidates(name, all, ranking)}, nil
}

// Proposal is what a job would save for an attribute that no person has decided on.
type Proposal struct {
	// Ranking is the zero value if the report has no columns.
	Ranking columns.Ranking
	Class   rules.Answer
	// Doubt is why the model is asked; it is empty if it is not.
	Doubt string
	// ColumnAgreement and ClassAgreement compare the model's answer with that of the rules; empty without an answer.
	ColumnAgreement, ClassAgreement llm.Agreement
}

// Propose returns the proposal of a job with this classifier. The calls go through send. If that returns an error, the
// proposal is that of the rules.
func (r *Report) Propose(
	ctx context.Context, kind schema.ClassifierKind, attribute schema.Attribute, send llm.Send,
) (Proposal, error) {
	work := schema.Work{JobType: schema.JobTypePDERegeneration, Classifier: kind, Attribute: attribute}
	if len(r.from.columns) == 0 {
		work.JobType = schema.JobTypePDEClassification
	}
	p := propose(r.engine, r.from, work)
	var err error
	if p.doubt != "" {
		var opinion llm.Opinion
		if opinion, err = p.ask(ctx, r.model, r.from, send); err == nil {
			p.follow(r.engine, r.from, work, opinion)
		}
	}
	return Proposal{
		Ranking: p.chosen.Ranking, Class: p.answer, Doubt: p.doubt,
		ColumnAgreement: p.columnAgreement, ClassAgreement: p.classAgreement,
	}, err
}

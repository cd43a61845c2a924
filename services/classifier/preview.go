package classifier

import (
	"context"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// Preview is what a job would ask the model about a mapping.
type Preview struct {
	Request provider.Request
	// Tables is the request that comes before it and asks for tables, whose columns become the candidates of Request;
	// nil if the model chooses at once.
	Tables *provider.Request
	// Candidates is the number of columns that the model chooses from.
	Candidates int
	// Doubt is why a hybrid job would send the request; it is empty if the rules are sure and it would not.
	Doubt string
}

// PreviewRequest returns the request that a job of this type, classified by a model, would send for the mapping. It
// makes no call. The error is [schema.ErrNotFound] if the report has no such mapping.
func PreviewRequest(
	ctx context.Context, db *schema.DB, engine *rules.Engine, prompt *llm.Prompt, jobType schema.JobType,
	m schema.Mapping,
) (Preview, error) {
	var preview Preview
	missing := schema.ErrNotFound
	job := schema.Job{
		JobType: jobType, CycleID: m.CycleID, ReportID: m.ReportID, Classifier: schema.ClassifierLLM,
		Scope: schema.ScopeSelected, MappingIDs: []string{m.ID},
	}
	err := eachUnlisted(ctx, db, engine, job, func(from *candidates, work schema.Work) {
		missing = nil
		asked := propose(engine, from, work)
		preview = Preview{Request: prompt.Answer(asked.question), Candidates: len(asked.positions)}
		if len(asked.tables) > 0 {
			preview.Tables = new(prompt.Tables(asked.question))
		}
		work.Classifier = schema.ClassifierHybrid
		preview.Doubt = doubt(work, asked.proposal)
	})
	if err != nil {
		return preview, err
	}
	return preview, missing
}

package classifier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// input is everything that the result for a mapping depends on, other than what a person has decided: a decision
// removes the digest from the mapping.
type input struct {
	// Policy is the digest of the policy, and Maps is true for a job that maps and false for one that only classifies.
	Policy string
	Maps   bool
	Report string

	Attribute schema.Attribute
	// SourceField to Alternatives are the result of the ranking, which depends on all columns and attributes.
	SourceField  string
	Confidence   int
	MappingType  schema.MappingType
	Rationale    string
	Alternatives []schema.Alternative
	// Column is the column that feeds the attribute; nil if none does.
	Column *schema.SourceColumn
	// Precedent is the decision on the column in another report; nil if there is none.
	Precedent *schema.Precedent
}

// inputHash returns the digest of the input for the mapping.
func inputHash(engine *rules.Engine, from *candidates, work schema.Work, ranking columns.Ranking) string {
	in := input{
		Policy: engine.Digest(), Maps: work.JobType.Maps(), Report: from.report, Attribute: work.Attribute,
		SourceField: ranking.SourceField, Confidence: ranking.Confidence, MappingType: ranking.MappingType,
		Rationale: ranking.Rationale, Alternatives: ranking.Alternatives,
	}
	in.Attribute.BaseModel, in.Attribute.ID = bun.BaseModel{}, ""
	in.Attribute.CycleID, in.Attribute.ReportID = "", ""
	in.Attribute.CreatedAt, in.Attribute.UpdatedAt, in.Attribute.CreatedBy, in.Attribute.UpdatedBy =
		time.Time{}, time.Time{}, "", ""
	column, field := from.columnOf(work.Mapping), work.Mapping.SourceField
	if in.Maps && !work.Mapping.MappingConfirmedByUser {
		column, field = nil, ranking.SourceField
		if ranking.SourceField != "" {
			column = &from.columns[ranking.Column]
		}
	}
	if column != nil {
		in.Column = &schema.SourceColumn{
			DataSourceID: column.DataSourceID, Identity: column.Identity, DataType: column.DataType,
			Description: column.Description,
		}
	}
	in.Precedent = from.precedents.ofColumn(field)
	text, err := json.Marshal(in)
	if err != nil {
		panic(fmt.Sprintf("input of a mapping: %v", err)) // not possible: every field can be encoded
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// workPage is the number of mappings that [CountUnchanged] reads by one statement.
const workPage = 1000

// CountUnchanged returns the number of mappings that the job would skip as unchanged. It judges each as the job would.
func CountUnchanged(ctx context.Context, db *schema.DB, engine *rules.Engine, job schema.Job) (n int64, err error) {
	if job.Force {
		return 0, nil
	}
	var from *candidates
	for after := ""; ; {
		page, err := schema.ListUnlistedWork(ctx, db, job, after, workPage)
		if err != nil {
			return 0, err
		}
		if from == nil && len(page) > 0 {
			if from, err = readCandidates(ctx, db, engine.Vocabulary(), job.CycleID, job.ReportID); err != nil {
				return 0, err
			}
		}
		for _, work := range page {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if _, saved := evaluate(engine, from, work); saved.Code == schema.ErrorCodeUnchanged {
				n++
			}
			after = work.Mapping.ID
		}
		if len(page) < workPage {
			return n, nil
		}
	}
}

package schema_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestHistory_ImagesOfAJobAreWhole(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	for _, tt := range []struct {
		name   string
		change func(schema.Mapping) schema.Mapping
		fields int // of Before
	}{
		{"all columns", func(m schema.Mapping) schema.Mapping { return filled(t, m, "job") }, 31},
		{"nothing", func(m schema.Mapping) schema.Mapping { return m }, 1},
		{"fewer alternatives", func(m schema.Mapping) schema.Mapping {
			m.AlternativeMappings = []schema.Alternative{{SourceField: "a.b.c"}}
			return m
		}, 2},
		{"no reviewer", func(m schema.Mapping) schema.Mapping {
			m.ReviewStatus, m.ReviewedBy, m.ReviewedAt = schema.ReviewStatusPending, "", time.Time{}
			return m
		}, 4},
		{"a reviewer without a time", func(m schema.Mapping) schema.Mapping {
			m.ReviewStatus, m.ReviewedBy = schema.ReviewStatusApproved, schema.AutoApprover
			return m
		}, 4},
		{"all columns empty", func(m schema.Mapping) schema.Mapping {
			return schema.Mapping{ID: m.ID, ReviewStatus: schema.ReviewStatusPending, Version: m.Version}
		}, 31},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := read(t, db, job.ID, ids[0]).Mapping
			if saved, err := save(t.Context(), db, job.ID, before, tt.change(before)); err != nil || !saved {
				t.Fatalf("SaveWork: got %t, %v, want true", saved, err)
			}
			after := read(t, db, job.ID, ids[0]).Mapping
			rows, err := schema.ListHistory(t.Context(), db, ids[0], time.Time{}, "", 1)
			if err != nil || len(rows) != 1 {
				t.Fatalf("ListHistory: got %d rows (%v), want 1", len(rows), err)
			}
			gotBefore, gotAfter, err := rows[0].Images()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before.Image(), gotBefore); diff != "" {
				t.Errorf("before (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(after.Image(), gotAfter); diff != "" {
				t.Errorf("after (-want +got):\n%s", diff)
			}
			var fields map[string]any
			if err := json.Unmarshal(rows[0].Before, &fields); err != nil || len(fields) != tt.fields {
				t.Errorf("stored fields of before: got %d (%v), want %d: %s", len(fields), err, tt.fields,
					rows[0].Before)
			}
			exec(t, db, "update job_items set outcome = null, ended_at = null")
			exec(t, db, "delete from classification_history")
		})
	}
}

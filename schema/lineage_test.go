package schema_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
)

func TestLineage_Tables(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lineage schema.Lineage
		want    []string
	}{
		"none":         {schema.Lineage{}, nil},
		"one column":   {schema.Lineage{SourceField: "svc.LN.BAL"}, []string{"svc.LN"}},
		"quoted names": {schema.Lineage{SourceField: `svc."L.N"."A.B"`}, []string{`svc."L.N"`}},
		"several columns": {
			schema.Lineage{
				SourceField: "svc.LN.BAL", SourceFields: schema.SourceFields{"svc.LN.BAL", "svc.LN.DT", "svc.PMT.DT"},
			},
			[]string{"svc.LN", "svc.PMT"},
		},
		"another text": {schema.Lineage{SourceField: "by hand"}, []string{"by hand"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.lineage.Tables()); diff != "" {
				t.Errorf("Tables (-want +got):\n%s", diff)
			}
		})
	}
}

package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
)

func TestTheEnumsOfMappingsHaveTheValuesOfSchema(t *testing.T) {
	t.Parallel()
	_, _, doc := described(t)
	field := func(property string) []string { return doc.Components.Schemas["Mapping"].Properties[property].Enum }
	query := func(parameter string) []string {
		for _, p := range doc.Paths[reportPath+"/pde-mappings"]["get"].Parameters {
			if p.Name == parameter {
				return p.Schema.Enum
			}
		}
		return nil
	}
	tiers, levels := nullable(schema.Tiers()), nullable(schema.Levels())
	for name, c := range map[string]struct{ got, want []string }{
		"mapping_type":          {field("mapping_type"), nullable(schema.MappingTypes())},
		"tier":                  {field("information_security_classification"), tiers},
		"suggested tier":        {field("suggested_information_security_classification"), tiers},
		"criticality":           {field("criticality"), levels},
		"risk_level":            {field("risk_level"), levels},
		"suggested_criticality": {field("suggested_criticality"), levels},
		"suggested_risk_level":  {field("suggested_risk_level"), levels},
		"review_status":         {field("review_status"), texts(schema.ReviewStatuses())},
		"tier in the query": {
			query("information_security_classification"), texts(schema.Tiers()),
		},
		"criticality in the query":   {query("criticality"), texts(schema.Levels())},
		"review_status in the query": {query("review_status"), texts(schema.ReviewStatuses())},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Errorf("%s differs (-vocabulary +document):\n%s", name, diff)
			}
		})
	}
}

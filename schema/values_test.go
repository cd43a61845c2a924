package schema_test

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return slices.Sorted(slices.Values(out))
}

func TestEveryEnumeratedColumnAllowsTheValuesOfItsType(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	want := map[string][]string{
		"planning_changes.action":                          texts(schema.PlanningActions()),
		"auto_approvals.max_risk":                          texts(schema.Levels()),
		"classification_history.action":                    texts(schema.HistoryActions()),
		"planning_changes.object":                          texts(schema.PlanningObjects()),
		"source_columns.relation_kind":                     texts(append(schema.RelationKinds(), "")),
		"jobs.job_type":                                    texts(schema.JobTypes()),
		"jobs.classifier":                                  texts(schema.ClassifierKinds()),
		"jobs.scope":                                       texts(schema.Scopes()),
		"jobs.intent":                                      texts(schema.Intents()),
		"job_intents.intent":                               texts(schema.Intents()),
		"model_calls.step":                                 texts(schema.CallSteps()),
		"model_calls.state":                                texts(schema.CallStates()),
		"job_status.status":                                texts(schema.Statuses()),
		"job_items.outcome":                                texts(schema.Outcomes()),
		"job_items.error_code":                             texts(schema.ErrorCodes()),
		"jobs.retry_error_code":                            texts(append(schema.ErrorCodes(), "")),
		"pde_mappings.mapping_type":                        texts(schema.MappingTypes()),
		"pde_mappings.review_status":                       texts(schema.ReviewStatuses()),
		"pde_mappings.criticality":                         texts(schema.Levels()),
		"pde_mappings.risk_level":                          texts(schema.Levels()),
		"pde_mappings.suggested_risk_level":                texts(schema.Levels()),
		"pde_mappings.suggested_criticality":               texts(schema.Levels()),
		"pde_mappings.information_security_classification": texts(schema.Tiers()),
		"pde_mappings.suggested_information_security_classification": texts(schema.Tiers()),
		"job_items.information_security_classification":              texts(schema.Tiers()),
	}
	var checks []struct {
		Name       string `bun:"name"`
		Definition string `bun:"definition"`
	}
	err := db.NewRaw(`select c.conrelid::regclass || '.' || a.attname as name, pg_get_constraintdef(c.oid) as definition
		from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
		where c.contype = 'c' and cardinality(c.conkey) = 1 and c.connamespace = 'public'::regnamespace`).
		Scan(t.Context(), &checks)
	if err != nil {
		t.Fatal(err)
	}
	enumeration := regexp.MustCompile(`= ANY \(`)
	value := regexp.MustCompile(`'([^']*)'::text`)
	for _, check := range checks {
		if !enumeration.MatchString(check.Definition) {
			continue
		}
		var got []string
		for _, match := range value.FindAllStringSubmatch(check.Definition, -1) {
			got = append(got, match[1])
		}
		slices.Sort(got)
		if expected, ok := want[check.Name]; !ok {
			if _, elsewhere := enumeratedElsewhere()[check.Name]; !elsewhere {
				t.Errorf("%s: got an enumeration without a type in this test, want one", check.Name)
			}
		} else if !slices.Equal(got, expected) {
			t.Errorf("%s: got %v, want the values of the type %v", check.Name, got, expected)
		}
		delete(want, check.Name)
	}
	for name := range want {
		t.Run(name, func(t *testing.T) {
			t.Errorf("%s: got no check constraint, want one", name)
		})
	}
}

// enumeratedElsewhere lists the columns whose values other tests compare.
func enumeratedElsewhere() map[string]struct{} {
	return map[string]struct{}{
		"audit_log.origin":       {},
		"unaudited_changes.kind": {}, // written by triggers, which name the table, and read as text
	}
}

func TestStatus_CanBecome(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{
		"pending running": true, "pending paused": true, "pending cancelled": true,
		"running paused": true, "running completed": true, "running failed": true, "running cancelled": true,
		"paused running": true, "paused pending": true, "paused completed": true, "paused failed": true,
		"paused cancelled": true,
	}
	for _, from := range schema.Statuses() {
		for _, to := range schema.Statuses() {
			if name := fmt.Sprint(from, " ", to); from.CanBecome(to) != allowed[name] {
				t.Errorf("%s: got %v, want %v", name, from.CanBecome(to), allowed[name])
			}
		}
	}
}

func TestIntent_IsAllowedFrom(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{
		"pause pending": true, "pause running": true, "run paused": true,
		"cancel pending": true, "cancel running": true, "cancel paused": true,
	}
	for _, intent := range schema.Intents() {
		for _, status := range schema.Statuses() {
			if name := fmt.Sprint(intent, " ", status); intent.IsAllowedFrom(status) != allowed[name] {
				t.Errorf("%s: got %v, want %v", name, intent.IsAllowedFrom(status), allowed[name])
			}
		}
	}
}

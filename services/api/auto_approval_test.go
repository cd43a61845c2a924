package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestAutoApproval_ApprovesWhatTheRuleAllows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(5)
	f.classified(ids...)
	f.Exec("update pde_mappings set confidence_score = 84 where id = ?", ids[1])
	must[api.DecidedMapping](t, f.edit("mia", ids[2], `"1"`, `{"pde_name": "own"}`), http.StatusOK)
	must[api.DecidedMapping](t, f.act("mona", api.Manager, ids[3], "review", `{"decision": "rejected"}`), http.StatusOK)
	path := reportURL("/auto-approval")
	put := func(body string) answer {
		return f.do(call{method: http.MethodPut, path: path, body: body, role: api.Manager, user: "mia"})
	}

	rule := must[api.AutoApproval](t, f.get(path), http.StatusOK)
	if rule.Enabled || rule.MinConfidence != 85 || rule.UpdatedBy != nil || rule.MaxRisk != schema.LevelMedium ||
		rule.Personal || slices.Contains(rule.Tiers, schema.TierHRCI) {
		t.Errorf("default rule: got %+v, want a disabled rule of confidence 85 and medium risk, not for HRCI", rule)
	}
	preview := func(body string) api.AutoApprovalPreview {
		return must[api.AutoApprovalPreview](t,
			f.do(call{method: http.MethodPost, path: path + "/preview", body: body, role: api.Manager}), http.StatusOK)
	}
	if got := preview(""); got.WouldApprove != 2 || !slices.Equal(got.MappingIDs, []string{ids[0], ids[4]}) {
		t.Errorf("preview: got %+v, want %s and %s", got, ids[0], ids[4])
	}
	if got := preview(`{"min_confidence": 80}`); got.WouldApprove != 3 || !strings.Contains(got.Rule, "at least 80") {
		t.Errorf("preview of another rule: got %+v, want 3", got)
	}
	for body, location := range map[string]string{
		`{"tiers": []}`: "body.tiers", `{"tiers": ["Secret"]}`: "body.tiers[0]",
		`{"min_confidence": 101}`: "body.min_confidence",
		`{"min": 1}`:              "body.min",
	} {
		p := refused(t, put(body), http.StatusUnprocessableEntity, "invalid")
		if p.Errors[0].Location != location {
			t.Errorf("%s: got %+v, want %s", body, p.Errors, location)
		}
	}
	if n := f.Count("select count(*) from pde_mappings where review_status = 'approved'"); n != 0 {
		t.Errorf("approved before the rule is on: got %d, want 0", n)
	}

	saved := must[api.SavedAutoApproval](t, put(`{"enabled": true}`), http.StatusOK)
	if saved.Approved != 2 || !saved.Enabled || *saved.UpdatedBy != "mia" {
		t.Errorf("enabled rule: got %+v, want 2 approved", saved)
	}
	m := f.mapping(ids[0])
	entry := f.history(ids[0])[0]
	if m.ReviewStatus != schema.ReviewStatusApproved || *m.ReviewedBy != schema.AutoApprover ||
		entry.ChangedBy != schema.AutoApprover || *entry.Comment != saved.Rule {
		t.Errorf("approved mapping: got %s by %s, history %+v, want an approval by the rule",
			m.ReviewStatus, *m.ReviewedBy, entry)
	}
	off := must[api.SavedAutoApproval](t, put(`{"enabled": false}`), http.StatusOK)
	if off.Enabled || off.Approved != 0 || f.mapping(ids[0]).ReviewStatus != schema.ReviewStatusApproved {
		t.Errorf("switched off: got %+v, want no approval, and the earlier one kept", off)
	}
	var names []string
	if err := f.DB.NewRaw("select name from planning_changes where object = 'auto_approval' order by id").
		Scan(t.Context(), &names); err != nil {
		t.Fatal(err)
	}
	if want := []string{"on: " + saved.Rule, "off: " + saved.Rule}; !slices.Equal(names, want) {
		t.Errorf("recorded changes of the rule: got %q, want %q", names, want)
	}
	// A manager can disagree with the rule, and no user has the name under which it approves.
	must[api.DecidedMapping](t, f.act("mia", api.Manager, ids[0], "review", `{"decision": "rejected"}`), http.StatusOK)
	if _, err := api.SignToken(secret(), " Auto-Approval", api.Manager, 1); err == nil {
		t.Error("token of a user named auto-approval: got no error")
	}
}

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestRulesExplainUsesTheNamedPolicy(t *testing.T) {
	t.Parallel()
	mine := file(t, "mine.policy", plainPolicy)
	raising := file(t, "raising.policy",
		strings.Replace(defaultPolicy(t), "raises-from: 70", "raises-from: 10", 1))
	explain := func(environment map[string]string, args ...string) result {
		return pdeflow(t.Context(), environment, append([]string{"rules", "explain"}, args...)...)
	}
	explain(nil, "Loan Balance", "--rules", mine, "--type", "NUMBER(14,2)").
		ends(t, exitDone, "Loan Balance, NUMBER(14,2)", "policy 1", `rule "loans"`, "it is about a loan", "Proprietary")
	explain(map[string]string{"PDEFLOW_RULES": mine}, "LN_BAL", "--table", "T_LOAN").ends(t, exitDone,
		"in the table T_LOAN", `rule "loans"`)
	explain(nil, "Color", "--rules", mine, "--column", "svc.LOAN.COLOR").ends(t, exitDone, "Column svc.LOAN.COLOR",
		"the policy's default")
	wrong := file(t, "wrong.policy",
		strings.NewReplacer("tier: Proprietary", "tier: Secret", "loan]", "lend]").Replace(plainPolicy))
	explain(nil, "x", "--rules", wrong).
		ends(t, exitFailed, wrong+":2: concept", wrong+`:9: rule "loans" names the unknown concept "lend"`,
			wrong+`:10: rule "loans": tier is "Secret"`)
	explain(nil, "Borrower Tax Number").ends(t, exitDone, "HRCI", "policy ")
	explain(nil, "x", "--rules", file(t, "empty.policy", "")).ends(t, exitFailed, "empty.policy:1: the policy is empty")
	explain(nil, "Zyxwv", "--line-item-number", "7").ends(t, exitDone, "it is a line of a filed report")
	explain(nil, "Zyxwv", "--technical-name", "BorrowerTaxNumber").ends(t, exitDone, "technical name", "HRCI")
	explain(nil, "Property State", "--column", "crm.T.ZYX", "--column-description", "Card number in the clear",
		"--rules", raising).
		ends(t, exitDone, "Column crm.T.ZYX", "raises the tier from Public to HRCI")
	explain(nil, "x", "--column-description", "y").ends(t, exitUsage,
		"--column-description requires --column")
	unreadable := t.TempDir()
	explain(nil, "x", "--rules", unreadable).ends(t, exitUsage, "--rules (PDEFLOW_RULES)", unreadable)
}

func TestRulesTest(t *testing.T) {
	t.Parallel()
	check := func(name, text string) result {
		return pdeflow(t.Context(), nil, "rules", "test", file(t, name, text))
	}
	const gizmo = `
rule gizmo
  any: gizmo
  tier: Proprietary
  personal: no
  criticality: Low
  because: gizmos are ours
  example: GIZMO_CD | C2
`
	check(
		"built-in.policy",
		defaultPolicy(t),
	).ends(t, exitDone, "no problems in policy ", "(0 rules have none)")
	check("ours.policy", "policy ours-1\nextends built-in\n"+gizmo).ends(t, exitDone, "no problems in policy ours-1")
	check("ours.policy", "policy ours-1\nextends built-in\n"+gizmo+"  example: Gizmo Password\n").
		ends(t, exitFailed, `ours.policy:11: rule "gizmo": the example "Gizmo Password" has another result: `+
			`the rule "secret" decides it`)
	check(
		"ours.policy",
		"policy ours-1\nextends built-in\n"+strings.ReplaceAll(gizmo, "any: gizmo", "any: [gizmo]"),
	).
		ends(t, exitFailed, `ours.policy:5: rule "gizmo" names the unknown concept "gizmo"`)
	check("ours.policy", "policy ours-1\nextends built-in\n"+strings.NewReplacer(
		"any: gizmo", "any: password\n  is-not: date", "  example: GIZMO_CD | C2\n", "").Replace(gizmo)).
		ends(t, exitFailed, `ours.policy:4: rule "gizmo" is unreachable: it decides none of `, `the rule "secret"`)
}

// defaultPolicy returns the text of the built-in policy.
func defaultPolicy(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../services/classifier/rules/policy/default.policy")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRulesLearnProposesAVocabularyForRulesExplain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	of := []string{"--cycle", "2026-Q3", "--report", "cards"}
	f.pdeflow(append([]string{
		"import",
		"--attributes", file(t, "attributes.csv",
			"attribute_name\nBorrower Name\nBorrower State\nOutstanding Balance\nFees\n"),
		"--columns", file(t, "columns.csv", "data_source,schema,table,column\n"+
			"Cards,CRD,ACCT,QRX_NM\nCards,CRD,ACCT,QRX_ST\nCards,CRD,ACCT,OTSDG_BAL\nCards,CRD,ACCT,ZYX\n"),
		"--mappings", file(t, "mappings.csv", "attribute_name,source_field,mapping_confirmed_by_user\n"+
			"Borrower Name,CRD.ACCT.QRX_NM,yes\nBorrower State,CRD.ACCT.QRX_ST,yes\n"+
			"Outstanding Balance,CRD.ACCT.OTSDG_BAL,yes\nFees,CRD.ACCT.ZYX,no\n"),
	}, of...)...).ends(t, exitDone)
	learned := f.pdeflow(append([]string{"rules", "learn"}, of...)...).ends(t, exitDone,
		"# Proposals from 3 confirmed mappings.",
		"# qrx is a synonym of \"borrower\" in QRX_NM (Borrower Name), QRX_ST (Borrower State)\nqrx: borrower\n",
		"# otsdg is short for \"outstanding\" in OTSDG_BAL (Outstanding Balance)\notsdg: outstanding\n")
	vocabulary := file(t, "our.vocabulary", learned.stdout)
	f.pdeflow(append([]string{"rules", "learn", "--vocabulary", vocabulary}, of...)...).ends(t, exitDone,
		"# Proposals from 3 confirmed mappings. Keep the lines that are right.\n")
	explain := func(args ...string) result {
		return pdeflow(t.Context(), nil, append([]string{"rules", "explain", "QRX_NM"}, args...)...)
	}
	explain().ends(t, exitDone, "some name")
	explain("--vocabulary", vocabulary).ends(t, exitDone, `rule "name of a person"`,
		`The organisation's vocabulary reads "QRX" as "borrower".`)
	explain("--vocabulary", file(t, "wrong.vocabulary", "qrx\n")).
		ends(t, exitFailed, `wrong.vocabulary:1: "qrx" is not of the form "abbreviation: words"`)
}

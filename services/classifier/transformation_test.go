package classifier

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

// derived returns the candidates of a report of which some attributes are derived from columns.
func derived() *candidates {
	var all []schema.SourceColumn
	for _, c := range [][3]string{
		{"LN_MSTR", "LN_NBR", "CHAR(12)"},
		{"LN_MSTR", "ORIG_DT", "DATE"},
		{"LN_MSTR", "MAT_DT", "DATE"},
		{"LN_MSTR", "DUE_DT", "DATE"},
		{"LN_MSTR", "BANKR_CD", "CHAR(2)"},
		{"LN_MSTR", "PROD_CD", "CHAR(4)"},
		{"BRANCH", "BRANCH_ID", "INT"},
		{"BRANCH", "PROD_CD", "CHAR(4)"},
		{"BRANCH", "BRANCH_NM", "VARCHAR(80)"},
		{"PROD_TYP", "PROD_CD", "CHAR(4)"},
		{"PROD_TYP", "PROD_DESC", "VARCHAR(80)"},
	} {
		all = append(all, schema.SourceColumn{
			DataSourceID: "servicing", SchemaName: "svc", TableName: c[0], ColumnName: c[1], DataType: c[2],
		})
	}
	return candidatesOf("FR Y-14M Schedule A.1", nil, all)
}

func TestChoice_DescribesHowAnAttributeFollowsFromColumns(t *testing.T) {
	t.Parallel()
	from := derived()
	const table = "svc.LN_MSTR."
	for name, tt := range map[string]struct {
		attribute schema.Attribute
		// column and how are the result of the ranking.
		column string
		how    schema.MappingType
		want   choice
	}{
		"a flag from a code": {
			schema.Attribute{AttributeName: "Bankruptcy Flag"},
			table + "BANKR_CD", schema.MappingTypeConditional,
			choice{Rule: `Y for the codes of svc.LN_MSTR.BANKR_CD that mean "Bankruptcy Flag", else N; ` +
				`list these codes`},
		},
		"a flag from a date": {
			schema.Attribute{AttributeName: "Matured", DataType: "BOOLEAN"},
			table + "MAT_DT",
			schema.MappingTypeConditional,
			choice{Rule: "Y if svc.LN_MSTR.MAT_DT is before the reporting date, else N"},
		},
		"a flag from the date of an event": {
			schema.Attribute{AttributeName: "Originated", DataType: "BOOLEAN"},
			table + "ORIG_DT",
			schema.MappingTypeConditional,
			choice{Rule: "Y if svc.LN_MSTR.ORIG_DT has a date, else N"},
		},
		"a period between two dates": {
			schema.Attribute{AttributeName: "Original Term in Months"},
			table + "MAT_DT", schema.MappingTypeCalculated,
			choice{
				SourceFields: schema.SourceFields{table + "MAT_DT", table + "ORIG_DT"},
				Rule:         "months from svc.LN_MSTR.ORIG_DT to svc.LN_MSTR.MAT_DT",
			},
		},
		"a period to the reporting date": {
			schema.Attribute{AttributeName: "Days Past Due"},
			table + "DUE_DT", schema.MappingTypeCalculated,
			choice{Rule: "days from svc.LN_MSTR.DUE_DT to the reporting date"},
		},
		"a period from the reporting date": {
			schema.Attribute{AttributeName: "Remaining Term in Months"},
			table + "MAT_DT", schema.MappingTypeCalculated,
			choice{Rule: "months from the reporting date to svc.LN_MSTR.MAT_DT"},
		},
		"days to a date": {
			schema.Attribute{AttributeName: "Days to Maturity"},
			table + "MAT_DT", schema.MappingTypeCalculated,
			choice{Rule: "days from the reporting date to svc.LN_MSTR.MAT_DT"},
		},
		"a part of a date": {
			schema.Attribute{AttributeName: "Origination Month"},
			table + "ORIG_DT", schema.MappingTypeCalculated,
			choice{},
		},
		"a code by its table": {
			schema.Attribute{AttributeName: "Product Description"},
			table + "PROD_CD", schema.MappingTypeLookup,
			choice{
				SourceFields: schema.SourceFields{table + "PROD_CD", "svc.PROD_TYP.PROD_DESC"},
				Rule:         "svc.PROD_TYP.PROD_DESC of the row in which svc.PROD_TYP.PROD_CD is svc.LN_MSTR.PROD_CD",
			},
		},
		"a code without a table": {
			schema.Attribute{AttributeName: "Bankruptcy Description"},
			table + "BANKR_CD", schema.MappingTypeLookup,
			choice{},
		},
		"a count without a unit": {
			schema.Attribute{AttributeName: "Number of Extensions"},
			table + "MAT_DT", schema.MappingTypeCalculated,
			choice{},
		},
		"a copy": {
			schema.Attribute{AttributeName: "Maturity Date"}, table + "MAT_DT", schema.MappingTypeDirect, choice{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got choice
			got.SourceField, got.MappingType, got.Column = tt.column, tt.how, from.byField[tt.column][0]
			got.describe(from, tt.attribute)
			if got.Rule != tt.want.Rule || !slices.Equal(got.SourceFields, tt.want.SourceFields) {
				t.Errorf("got %q with the columns %q, want %q with %q", got.Rule, got.SourceFields, tt.want.Rule,
					tt.want.SourceFields)
			}
		})
	}
}

func TestEvaluate_ProposesSeveralColumnsAndKeepsThoseOfAPerson(t *testing.T) {
	t.Parallel()
	engine, from := defaultEngine(), derived()
	after, _ := evaluate(engine, from, workOn(schema.JobTypePDERegeneration, "Bankruptcy Flag", schema.Mapping{}))
	if after.SourceField != "svc.LN_MSTR.BANKR_CD" || after.MappingType != schema.MappingTypeLookup ||
		!strings.Contains(after.TransformationRule, "the codes of svc.LN_MSTR.BANKR_CD") {
		t.Errorf("mapping of a flag: got %s %q from %s, want a lookup of the codes of svc.LN_MSTR.BANKR_CD",
			after.MappingType, after.TransformationRule, after.SourceField)
	}
	own := schema.Mapping{
		SourceField: "svc.LN_MSTR.PROD_CD", DataSourceID: "servicing", MappingConfirmedByUser: true,
		SourceFields: schema.SourceFields{"svc.LN_MSTR.PROD_CD", "svc.LN_MSTR.BANKR_CD"},
		MappingType:  schema.MappingTypeCalculated, TransformationRule: "mine",
	}
	kept, _ := evaluate(engine, from, workOn(schema.JobTypePDERegeneration, "Bankruptcy Flag", own))
	if !slices.Equal(kept.SourceFields, own.SourceFields) || kept.TransformationRule != "mine" ||
		kept.SuggestedSourceField != "" {
		t.Errorf("confirmed mapping: got %+v, want its own columns and no suggestion of one of them", kept)
	}
}

func TestChoose_FollowsTheRuleOfAPrecedent(t *testing.T) {
	t.Parallel()
	from := derived()
	precedent := schema.Precedent{
		CycleID: "2026-Q2", ReportID: "r", AttributeName: "Loan Age", SourceField: "svc.LN_MSTR.ORIG_DT",
		SourceFields: schema.SourceFields{"svc.LN_MSTR.ORIG_DT", "svc.LN_MSTR.DUE_DT"},
		MappingType:  schema.MappingTypeCalculated, TransformationRule: "weeks between them",
	}
	from.precedents = newPrecedents([]schema.Precedent{precedent})
	got := choose(from, schema.Attribute{AttributeName: "Loan Age"})
	if got.Rule != precedent.TransformationRule || !slices.Equal(got.SourceFields, precedent.SourceFields) ||
		got.SourceField != precedent.SourceField || got.MappingType != schema.MappingTypeCalculated {
		t.Errorf("got %q with the columns %q, want those of the precedent", got.Rule, got.SourceFields)
	}
	precedent.TransformationRule = "" // as an import may leave it
	from.precedents = newPrecedents([]schema.Precedent{precedent})
	if got := choose(from, schema.Attribute{AttributeName: "Loan Age"}); got.Rule != "" ||
		!slices.Equal(got.SourceFields, precedent.SourceFields) {
		t.Errorf("without a rule: got %q with the columns %q, want those of the precedent", got.Rule, got.SourceFields)
	}
	precedent.TransformationRule = "weeks between them"
	precedent.SourceFields = schema.SourceFields{"svc.LN_MSTR.ORIG_DT", "svc.OTHER.DT"}
	from.precedents = newPrecedents([]schema.Precedent{precedent})
	if got := choose(from, schema.Attribute{AttributeName: "Loan Age"}); got.Rule == precedent.TransformationRule {
		t.Error("got the rule of a precedent of which the report lacks a column")
	}
}

func TestColumns_AreRecognisedInEverySpelling(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		is    func(schema.SourceColumn) bool
		names string
		not   string
	}{
		"code":        {isCode, "PROD_CD PROD_TYP loanStatus CHG_OFF_RSN risk_category", "PROD_CD_DESC LN_NBR"},
		"identifier":  {isIdentifier, "LN_NBR customerId ACCT_NO LOAN_SK row_uuid", "PROD_CD ID_TYP"},
		"description": {isDescription, "PROD_DESC branchName REMARK_TXT", "PROD_CD NAME_DT"},
		"date":        {isDate, "OPN_DT closingDate", "DT_CD LN_NBR"},
		"scheduled":   {isScheduled, "MAT_DT maturityDate CARD_EXP_DT PMT_DUE_DT", "ORIG_DT MAT_CD"},
		"beginning":   {beginsPeriod, "ACCT_OPN_DT ORIG_DT startDate EFF_DT issued_date", "MAT_DT PMT_DUE_DT"},
		"end":         {endsPeriod, "MTRTY_DT ACCT_CLSD_DT endDate EXPIRY_DT termination_date", "ORIG_DT PMT_DUE_DT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, names := range []string{tt.not, tt.names} {
				for _, name := range strings.Fields(names) {
					if got, want := tt.is(schema.SourceColumn{ColumnName: name}), i == 1; got != want {
						t.Errorf("%s: got %v, want %v", name, got, want)
					}
				}
			}
		})
	}
}

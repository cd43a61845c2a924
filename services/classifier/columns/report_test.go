package columns

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestReport_DoesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	for _, b := range banks(t) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var attributes []schema.Attribute
			for _, g := range b.gold {
				attributes = append(attributes, g.attribute)
			}
			forward := NewIndex(b.candidates).Report(attributes)
			candidates, reversed := slices.Clone(b.candidates), slices.Clone(attributes)
			slices.Reverse(candidates)
			slices.Reverse(reversed)
			backward := NewIndex(candidates).Report(reversed)
			for _, a := range attributes {
				want, got := forward.Rank(a), backward.Rank(a)
				want.Column, got.Column = 0, 0 // positions among the candidates
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %+v in the other order, want %+v", a.AttributeName, got, want)
				}
			}
		})
	}
}

// A column that suits another attribute better is worth less.
func TestReport_LeavesAColumnToTheAttributeThatItSuitsBetter(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("ACCT", "CHGOFF_AMT|NUMBER(12,2)", "CHGOFF_RCVY_AMT|NUMBER(12,2)", "OPN_DT|DATE",
		"STAT_CD|CHAR(1)"))
	recovery := attribute("Recovery", "N12.2")
	alone := ix.Report([]schema.Attribute{recovery}).Rank(recovery)
	both := ix.Report([]schema.Attribute{recovery, attribute("Charge-off Recovery Amount", "N12.2")}).Rank(recovery)
	if alone.SourceField != "S.ACCT.CHGOFF_RCVY_AMT" || both.Score >= alone.Score {
		t.Errorf("got %s with %.2f alone and %s with %.2f next to a better one, want a lower score", alone.SourceField,
			alone.Score, both.SourceField, both.Score)
	}
}

// The table that most of the report comes from decides between columns that match alike.
func TestReport_PrefersTheTableThatItIsAbout(t *testing.T) {
	t.Parallel()
	ix := NewIndex(slices.Concat(
		columnsOf("CONTRACT", "PRODUCT_TYPE|CHAR(2)", "TERM_MONTHS|NUMBER(3)", "RATE_PCT|NUMBER(6,3)",
			"STATUS|CHAR(1)"),
		columnsOf("VEHICLE", "STATUS|CHAR(1)", "COLOR|VARCHAR(40)", "MILEAGE|NUMBER(7)"),
	))
	status := attribute("Status", "C1")
	report := []schema.Attribute{
		status, attribute("Product Type", "C2"), attribute("Term in Months", "N3"), attribute("Rate", "N6.3"),
	}
	if got := ix.Report(report).Rank(status); got.SourceField != "S.CONTRACT.STATUS" {
		t.Errorf("got %s, want S.CONTRACT.STATUS: %s", orNothing(got.SourceField), got.Rationale)
	}
	other := []schema.Attribute{status, attribute("Vehicle Color", "C40"), attribute("Vehicle Mileage", "N7")}
	if got := ix.Report(other).Rank(status); got.SourceField != "S.VEHICLE.STATUS" {
		t.Errorf("got %s, want S.VEHICLE.STATUS: %s", orNothing(got.SourceField), got.Rationale)
	}
}

func TestReport_AKeyIsItsTablesOwn(t *testing.T) {
	t.Parallel()
	ix := NewIndex(slices.Concat(
		columnsOf("payment", "id|bigint", "loan_id|bigint", "amount|numeric(12,2)"),
		columnsOf("loan", "id|bigint", "borrower_id|bigint", "amount|numeric(12,2)"),
		columnsOf("borrower", "borrower_id|bigint", "tax_number|varchar(11)"),
	))
	for name, want := range map[string]string{
		"Loan Identifier": "loan.id", "Borrower Identifier": "borrower.borrower_id",
		"Borrower Tax Number": "borrower.tax_number",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ix.Rank(attribute(name, "C18"))
			if strings.TrimPrefix(got.SourceField, "S.") != want {
				t.Errorf("%s: got %s, want %s: %s", name, orNothing(got.SourceField), want, got.Rationale)
			}
		})
	}
}

func TestReportContext_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	report, err := NewIndex(coreBank()).ReportContext(ctx, []schema.Attribute{attribute("Loan Close Date", "Date")})
	if !errors.Is(err, context.Canceled) || report != nil {
		t.Errorf("got %v, %v, want %v", report, err, context.Canceled)
	}
}

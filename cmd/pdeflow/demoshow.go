package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// show tells a newcomer what happened, where to look, and what to try next.
func (d demo) show(ctx context.Context, at address, status events.JobStatus, took time.Duration) error {
	w := d.app.stdout
	fmt.Fprintf(w, "\n%s %s, cycle %s: the job is %s after %.1f s.\n%s.\n\n", sample.ReportName, report(d.size), sample.CycleID,
		status.Status, took.Seconds(), status.Message)
	if status.Result != nil {
		if err := showTiers(w, status.Result.Classifications); err != nil {
			return err
		}
	}
	if err := showMappings(ctx, w, at.db); err != nil {
		return err
	}
	if d.once {
		fmt.Fprint(w, "\nRun it without --once, and it goes on serving: the API, the streams, the commands.\n")
		return nil
	}
	showAddresses(w, at, status)
	fmt.Fprint(w, "\nThe demo goes on serving until you press Ctrl-C.\n")
	return nil
}

func report(size int) string {
	if size > 0 {
		return fmt.Sprintf("(generated, %d mappings)", size)
	}
	return "of a card issuer"
}

func showTiers(w io.Writer, c events.Classifications) error {
	table := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  TIER\tMAPPINGS\tWHAT IT IS")
	for _, tier := range []struct {
		name schema.InformationSecurityClassification
		n    int64
		what string
	}{
		{schema.HRCI, c.HRCI, "scores, risk parameters, government and full account numbers, secrets"},
		{schema.Confidential, c.Confidential, "what belongs to a customer: balances, payments, dates, identifiers"},
		{schema.Proprietary, c.Proprietary, "the bank's own codes, names and set-up"},
		{schema.Public, c.Public, "as-of dates, published identifiers, states, public codes"},
	} {
		fmt.Fprintf(table, "  %s\t%d\t%s\n", tier.name, tier.n, tier.what)
	}
	return table.Flush()
}

// showMappings explains three: a surely mapped secret, a choice between near twins, and one that nothing fits.
func showMappings(ctx context.Context, w io.Writer, db *schema.DB) error {
	fmt.Fprint(w, "\nThree of them, and why:\n")
	for _, pick := range []struct{ where, order string }{
		{"m.information_security_classification = 'HRCI' and m.source_field is not null", "m.confidence_score desc"},
		{
			"m.source_field is not null and jsonb_array_length(m.alternative_mappings) > 1",
			"(m.alternative_mappings -> 0 ->> 'score')::int desc",
		},
		{"m.source_field is null", "m.confidence_score desc"},
	} {
		var mappings []schema.ListedMapping
		err := db.NewSelect().Model(&mappings).ColumnExpr("m.*, a.attribute_name").Join("join attributes a on a.id = m.attribute_id").
			Where("m.cycle_id = ? and m.report_id = ?", sample.CycleID, sample.ReportID).Where(pick.where).
			OrderExpr(pick.order + ", m.id").Limit(1).Scan(ctx)
		if err != nil {
			return fmt.Errorf("mappings to show: %w", err)
		}
		for _, m := range mappings {
			showMapping(w, m)
		}
	}
	return nil
}

func showMapping(w io.Writer, m schema.ListedMapping) {
	column := m.SourceField
	if column == "" {
		column = "nothing fits"
	}
	fmt.Fprintf(w, "\n  %s <- %s\n", m.AttributeName, column)
	fmt.Fprintf(w, "    %s, criticality %s, risk %s\n", m.InformationSecurityClassification, m.Criticality, m.RiskLevel)
	if m.ConfidenceScore != nil {
		fmt.Fprint(w, wrapped(fmt.Sprintf("column (%d): %s", *m.ConfidenceScore, m.MappingRationale)))
	}
	if m.ClassificationConfidence != nil {
		fmt.Fprint(w, wrapped(fmt.Sprintf("class (%d): %s", *m.ClassificationConfidence, m.ClassificationRationale)))
	}
}

// wrapped breaks a text into indented lines that fit a terminal.
func wrapped(text string) string {
	const width = 100
	var out strings.Builder
	line := "   "
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width {
			out.WriteString(line + "\n")
			line = "     "
		}
		line += " " + word
	}
	return out.String() + line + "\n"
}

func showAddresses(w io.Writer, at address, status events.JobStatus) {
	fmt.Fprintf(w, `
The API     %s/api/v1   (described at %s/openapi.json)
The token   %s
NATS        %s

Try next, in another terminal:
  curl -H "Authorization: Bearer $(cat %s)" %s
  pdeflow mappings list --cycle %s --report %s
  pdeflow rules explain "Customer Date of Birth"
  pdeflow check
  pdeflow audit verify
  nats -s %s stream ls
  nats -s %s stream view PDE_EVENTS
  nats -s %s sub 'job.progress.>'       (and then: pdeflow regenerate --cycle %s --report %s --watch)
("pdeflow" is: go run ./cmd/pdeflow)
`, at.HTTP, at.HTTP, at.TokenFile, at.NATS, at.TokenFile, statusURL(at, status), sample.CycleID, sample.ReportID,
		at.NATS, at.NATS, at.NATS, sample.CycleID, sample.ReportID)
}

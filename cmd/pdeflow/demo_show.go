package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// show prints the results, the addresses, and what to try next.
func (d *demo) show(ctx context.Context, at address, status events.JobStatus, took time.Duration) error {
	w := d.app.stdout
	fmt.Fprintf(w, "\n%s\n%s.\n\n",
		indented(w, fmt.Sprintf("%s %s, cycle %s: the job is %s after %s.", sample.ReportName, reportText(d.size),
			sample.CycleID, status.Status, durationText(took)), 0), indented(w, status.Message, 0))
	if status.Result != nil {
		if err := showTiers(w, status.Result.Classifications); err != nil {
			return err
		}
	}
	if err := showMappings(ctx, w, at.db); err != nil {
		return err
	}
	if d.once {
		fmt.Fprint(w, "\nRun it without --once to keep the API, the streams and the commands available.\n")
		return nil
	}
	d.showAddresses(at, status)
	fmt.Fprint(w, "\nThe demo keeps serving until you press Ctrl-C.\n")
	return nil
}

func reportText(size int) string {
	if size > 0 {
		return fmt.Sprintf("(generated, %s)", count(int64(size), "mapping"))
	}
	return "of a card issuer"
}

func showTiers(w io.Writer, c events.Classifications) error {
	tiers := table(w)
	printRow(tiers, "TIER", "MAPPINGS", "WHAT IT IS")
	printRow(tiers, schema.TierHRCI, c.HRCI, "scores, risk parameters, government and full account numbers, secrets")
	printRow(tiers, schema.TierConfidential, c.Confidential,
		"what belongs to a customer: balances, payments, dates, identifiers")
	printRow(tiers, schema.TierProprietary, c.Proprietary, "the bank's own codes, names and set-up")
	printRow(tiers, schema.TierPublic, c.Public, "as-of dates, published identifiers, states, public codes")
	return tiers.Flush()
}

// showMappings prints a few mappings with their rationales.
func showMappings(ctx context.Context, w io.Writer, db *schema.DB) error {
	examples, err := schema.ListExampleMappings(ctx, db, sample.CycleID, sample.ReportID)
	if err != nil {
		return err
	}
	fmt.Fprint(w, "\nSome of them, and why:\n")
	for _, m := range examples {
		showMapping(w, m)
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
		fmt.Fprintf(w, "    %s\n",
			indented(w, fmt.Sprintf("column (%d): %s", *m.ConfidenceScore, m.MappingRationale), 6))
	}
	if m.ClassificationConfidence != nil {
		fmt.Fprintf(w, "    %s\n",
			indented(w, fmt.Sprintf("class (%d): %s", *m.ClassificationConfidence, m.ClassificationRationale), 6))
	}
}

func (d *demo) showAddresses(at address, status events.JobStatus) {
	fmt.Fprintf(d.app.stdout, `
The desk    %s
The API     %s/api/v1   (described at %s/openapi.json)
The token   %s
            (in %s)
NATS        %s

Try next, in another terminal:
  curl -H "Authorization: Bearer $(cat %s)" %s
  pdeflow mappings list --cycle %s --report %s%s
  pdeflow rules explain "Customer Date of Birth"
  pdeflow check%s
  pdeflow audit verify%s
  NATS_URL=%s nats stream ls
  NATS_URL=%s nats stream view PDE_EVENTS
  NATS_URL=%s nats sub 'job.progress.>'
and while that runs:
  pdeflow regenerate --cycle %s --report %s --watch%s
%s
`, signInURL(at), at.HTTP, at.HTTP, at.token, at.TokenFile, at.NATS, shellQuote(at.TokenFile), statusURL(at, status),
		sample.CycleID, sample.ReportID, d.find(), d.find(), d.find(),
		at.NATS, at.NATS, at.NATS, sample.CycleID, sample.ReportID, d.find(), d.commands())
}

// commands explains how to run pdeflow and nats, which may not be installed.
func (d *demo) commands() string {
	text := "(“nats” is NATS's own command: go install github.com/nats-io/natscli/nats@latest"
	if _, err := exec.LookPath("pdeflow"); err != nil {
		text += "; “pdeflow” is not on PATH: use go run ./cmd/pdeflow in its place, or go install ./cmd/pdeflow"
	}
	return indented(d.app.stdout, text+")", 0)
}

// shellQuote quotes the text as one word of a shell command.
func shellQuote(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(shellSafe, r) }) || text == "" {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return text
}

// shellSafe has the characters that need no quoting in a shell.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:,@%="

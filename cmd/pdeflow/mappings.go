package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) mappingsCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "mappings",
		Usage: "shows and decides which columns feed a report, and how they are classified",
		Description: "Calls the API. ID is the id of a mapping, its first characters (4 or more), or latest " +
			"for the one that changed last.\n\n" +
			"pdeflow mappings list --cycle 2026-Q3 --report auto-loans --information-security-classification HRCI\n" +
			"pdeflow mappings show --cycle 2026-Q3 --report auto-loans 0198c2f0-8b7e-7cc3-9f4e-0d6a5c1b2a39",
		Flags: a.clientFlags(),
		Commands: []*cli.Command{
			a.mappingsListCommand(),
			a.mappingsShowCommand(),
			a.mappingsHistoryCommand(),
			a.mappingsEditCommand(),
			a.mappingsAcceptCommand(),
			a.mappingsReviewCommand("approve", "approves mappings", schema.ReviewStatusApproved),
			a.mappingsReviewCommand("reject", "rejects mappings", schema.ReviewStatusRejected),
			a.mappingsReviewCommand("needs-revision", "returns mappings for revision",
				schema.ReviewStatusNeedsRevision),
			a.mappingsUndoCommand(),
			a.mappingsExportCommand(),
			a.mappingsImportCommand(),
		},
	})
}

func (a *app) mappingsListCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "lists the mappings of a report",
		Flags: slices.Concat([]cli.Flag{a.cycleFlag(), a.reportFlag()}, mappingFilterFlags(),
			[]cli.Flag{sortFlag(), limitFlag(0), jsonFlag()}),
		Action: a.withClient(func(ctx context.Context, cmd *cli.Command, c *client) error {
			return printList(ctx, a, cmd, c, list[api.Mapping]{
				path: mappingsPath(cmd.String("cycle"), cmd.String("report"), ""), query: mappingQuery(cmd),
				row: mappingRow,
				columns: []any{
					"MAPPING", "ATTRIBUTE", "COLUMN", "COLUMN %", "TIER", "TIER %", "CRITICALITY", "RISK", "REG", "PII",
					"REVIEW", "FROM",
				},
				optional: []string{
					"FROM", "REVIEW", "REG", "CRITICALITY", "RISK", "COLUMN %", "TIER %", "PII", "COLUMN",
				},
			})
		}),
	}
}

func confidenceFlag(name, usage string) cli.Flag {
	return &cli.IntFlag{Name: name, Usage: usage, HideDefault: true, Validator: func(n int) error {
		if n < 0 || n > 100 {
			return errors.New("must be a whole number from 0 to 100")
		}
		return nil
	}}
}

func sortFlag() cli.Flag {
	flag := choice("sort", "sort by one of these, or with --sort=-NAME in reverse", schema.MappingSorts())
	flag.reversible = true
	return flag
}

// mappingQuery translates the flags into parameters of the API.
func mappingQuery(cmd *cli.Command) url.Values {
	query := url.Values{}
	for _, name := range []string{"q", "information-security-classification", "criticality", "review-status", "sort"} {
		if value := cmd.String(name); value != "" {
			query.Set(strings.ReplaceAll(name, "-", "_"), value)
		}
	}
	for _, name := range []string{"min-confidence", "max-confidence"} {
		if cmd.IsSet(name) {
			query.Set(strings.ReplaceAll(name, "-", "_"), strconv.Itoa(cmd.Int(name)))
		}
	}
	if cmd.IsSet("unmapped") {
		query.Set("unmapped", strconv.FormatBool(cmd.Bool("unmapped")))
	}
	return query
}

func mappingRow(m api.Mapping) []any {
	columnConfidence := m.ConfidenceScore
	if m.SourceField == nil {
		columnConfidence = nil // without a column it is the confidence that none fits
	}
	column := orNone(m.SourceField)
	if others := len(m.SourceFields) - 1; others > 0 {
		column += fmt.Sprintf(" +%d", others)
	}
	return []any{
		m.ID, m.AttributeName, column, columnConfidence, orNone(m.InformationSecurityClassification),
		m.ClassificationConfidence,
		orNone(m.Criticality), orNone(m.RiskLevel), m.RegulatoryFlag, m.PIIFlag, m.ReviewStatus,
		m.CarriedFrom,
	}
}

// orNone returns the value, or "" for nil.
func orNone[T ~string](value *T) string {
	if value == nil {
		return ""
	}
	return string(*value)
}

func (a *app) mappingsShowCommand() *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "shows one mapping with its reasons", ArgsUsage: idArgument,
		Flags: []cli.Flag{a.cycleFlag(), a.reportFlag(), jsonFlag()},
		Action: a.withMapping(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			path := mappingsPath(cmd.String("cycle"), cmd.String("report"), "/"+url.PathEscape(id))
			return printOne(ctx, a, cmd, c, request{method: http.MethodGet, path: path},
				func(m api.Mapping) { printMapping(a.stdout, m) })
		}),
	}
}

func printMapping(w io.Writer, m api.Mapping) {
	column := orNone(m.SourceField)
	if column == "" {
		column = "none"
	}
	fields := []field{
		{"mapping", m.ID},
		{"attribute", m.AttributeName},
		{"column", column},
		{"further columns", m.SourceFields[min(1, len(m.SourceFields)):].String()},
		{"data source", m.DataSourceID},
		{"element", m.PDEName},
		{"code", m.PDECode},
		{"description", m.PDEDescription},
		{"type", orNone(m.MappingType)},
		{"rule", m.TransformationRule},
		{"process", m.BusinessProcess},
		{"owner", m.BusinessOwner},
		{"steward", m.DataSteward},
		{"confirmed", m.MappingConfirmedByUser},
		{"column confidence", m.ConfidenceScore},
		{"column rationale", m.MappingRationale},
	}
	for _, other := range m.AlternativeMappings {
		fields = append(fields, field{
			"instead of", fmt.Sprintf("%s (%d): %s", other.SourceField, other.Score, other.Reason),
		})
	}
	now, reviewed := time.Now(), ""
	if m.ReviewedAt != nil {
		reviewed = sinceText(*m.ReviewedAt, now)
	}
	printFields(w, append(fields,
		field{"tier", orNone(m.InformationSecurityClassification)},
		field{"criticality", orNone(m.Criticality)},
		field{"risk", orNone(m.RiskLevel)},
		field{"regulatory", m.RegulatoryFlag},
		field{"personal", m.PIIFlag},
		field{"tier confidence", m.ClassificationConfidence},
		field{"tier rationale", m.ClassificationRationale},
		field{"references", strings.Join(m.RegulatoryReferences, "; ")},
		field{"classified by", m.ClassifiedBy},
		field{"suggested", suggested(m)},
		field{"review", m.ReviewStatus},
		field{"reviewed by", m.ReviewedBy},
		field{"reviewed", reviewed},
		field{"carried over from", m.CarriedFrom},
		field{"version", m.Version},
		field{"created", fmt.Sprintf("%s by %s", sinceText(m.CreatedAt, now), m.CreatedBy)},
		field{"updated", fmt.Sprintf("%s by %s", sinceText(m.UpdatedAt, now), m.UpdatedBy)},
	)...)
}

// suggested lists the suggestions of the classifier for protected fields.
func suggested(m api.Mapping) string {
	var parts []string
	for _, s := range []field{
		{"column", m.SuggestedSourceField},
		{"tier", orNone(m.SuggestedInformationSecurityClassification)},
		{"criticality", orNone(m.SuggestedCriticality)},
		{"risk", orNone(m.SuggestedRiskLevel)},
		{"regulatory", m.SuggestedRegulatoryFlag},
		{"personal", m.SuggestedPIIFlag},
	} {
		if text := cellText(s.value); text != "-" {
			parts = append(parts, s.name+" "+text)
		}
	}
	return strings.Join(parts, ", ")
}

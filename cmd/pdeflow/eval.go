package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/eval"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// builtIn names the built-in policy among the files of --rules.
const builtIn = "built-in"

// evalPage is the number of attributes that one query reads.
const evalPage = 500

func (a *app) evalCommand() *cli.Command {
	return &cli.Command{
		Name:  "eval",
		Usage: "measures mapping and classification against labelled attributes",
		Description: "Maps and classifies the attributes of a report as a job does, compares the answers with a file " +
			"of labels, and prints the share of right answers per field, confusion matrices, how far confidences can " +
			"be trusted, and the most confident mistakes with their rationales. Nothing is written. The report is " +
			"read from the database, or from files without one. Give --rules twice to compare two policies. With " +
			"--classifier llm or hybrid, the model is asked as a job would ask it, and compared with the rules: what " +
			"share of the attributes it was asked about, what that cost, and what it gained.\n\n" +
			"A cell of the labels may list several answers, as in A|B: A is the best one (strict) and B is " +
			"defensible (lenient). An empty cell is not judged. The source_field is none if no column fits.\n\n" +
			"pdeflow eval --gold gold.csv --attributes attributes.csv --columns columns.csv\n" +
			"pdeflow eval --gold gold.csv --cycle 2026-Q3 --report auto-loans --rules built-in --rules our.policy\n" +
			"pdeflow eval --gold gold.csv --cycle 2026-Q3 --report auto-loans --classifier hybrid " +
			"--record replies.jsonl",
		Flags: append([]cli.Flag{
			&cli.StringFlag{
				Name: "gold", Usage: "`FILE` with the labels; attribute_name or line_item_number is needed",
				TakesFile: true, Required: true,
			},
			fileFlag("attributes", "the report's attributes, in place of the database"),
			fileFlag("columns", "its candidate columns; without them only the classification is measured"),
			&cli.StringFlag{Name: "name", Usage: "name of the filing with --attributes, `TEXT`"},
			&cli.StringFlag{
				Name: "cycle", Usage: "the `CYCLE` of testing, with --report", Sources: a.env("PDEFLOW_CYCLE"),
			},
			&cli.StringFlag{
				Name: "report", Usage: "the `REPORT` in the cycle, with --cycle", Sources: a.env("PDEFLOW_REPORT"),
			},
			choice("classifier", "the classifier (default: rules)", schema.ClassifierKinds()),
			&cli.StringSliceFlag{
				Name: "rules", TakesFile: true, Sources: a.env("PDEFLOW_RULES"),
				Usage: "policy `FILE`, or " + builtIn + " (the default); a second one is compared with the first",
			},
			a.vocabularyFlag(),
			limitFlag(10),
			jsonFlag(),
		}, append(a.evalModelFlags(), a.operatorFlags()...)...),
		Action: a.eval,
	}
}

func (a *app) eval(ctx context.Context, cmd *cli.Command) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	subjects, err := evalSubjects(cmd)
	if err != nil {
		return err
	}
	set, err := a.evalSet(ctx, cmd)
	if err != nil {
		return err
	}
	var result evalResult
	switch kind := schema.ClassifierKind(cmd.String("classifier")); {
	case kind == "" || kind == schema.ClassifierRules:
		result, err = evaluate(set, subjects, cmd.Int(flagLimit)) //nolint:contextcheck // it takes seconds
		if err != nil {
			err = fmt.Errorf("%s: %w", cmd.String("gold"), err)
		}
	case len(subjects) > 1:
		return usagef("--classifier %s is compared with the rules; give --rules once", kind)
	default:
		result, err = a.evalModel(ctx, cmd, set, subjects[0], cmd.Int(flagLimit))
	}
	if err != nil {
		return err
	}
	if cmd.Bool(flagJSON) {
		return a.printJSON(result)
	}
	return a.printEval(result)
}

// evalResult is the output of eval.
type evalResult struct {
	Report     string          `json:"report"`
	Attributes int             `json:"attributes"`
	Columns    int             `json:"columns"`
	Labels     int             `json:"labels"`
	Results    []eval.Measures `json:"results"`
	// Missing lists the columns that labels name and that the report does not have.
	Missing []string `json:"missing_columns"`
	// Differences compares the second result with the first. It is absent if there is only one.
	Differences []eval.Difference `json:"differences,omitempty"`
	// Asked is what the model of the second result was asked for. It is absent if there is none.
	Asked *eval.Asked `json:"asked,omitempty"`
}

func newEvalResult(set eval.Set) evalResult {
	result := evalResult{
		Report: set.Report, Attributes: len(set.Attributes), Columns: len(set.Columns), Labels: len(set.Labels),
		Missing: []string{},
	}
	if len(set.Columns) > 0 {
		result.Missing = append(result.Missing, set.MissingColumns()...)
	}
	return result
}

// mistakesLimit returns the number of mistakes that are listed. A limit of 0 lists all.
func mistakesLimit(set eval.Set, limit int) int {
	if limit == 0 {
		return len(set.Labels) * 5
	}
	return limit
}

// evaluate measures one subject or two. A limit of 0 lists all mistakes.
func evaluate(set eval.Set, subjects []eval.Subject, limit int) (evalResult, error) {
	limit = mistakesLimit(set, limit)
	result := newEvalResult(set)
	var answers [][]eval.Answer
	for _, subject := range subjects {
		of, err := set.Answer(subject)
		if err != nil {
			return evalResult{}, err
		}
		answers = append(answers, of)
		result.Results = append(result.Results, eval.Measure(subject, of, limit))
	}
	if len(answers) == 2 {
		result.Differences = eval.Compare(answers[0], answers[1])
	}
	return result, nil
}

// evalSubjects returns a subject for each policy, or one with the built-in policy if no policy is given.
func evalSubjects(cmd *cli.Command) ([]eval.Subject, error) {
	paths := cmd.StringSlice("rules")
	if len(paths) == 0 {
		paths = []string{builtIn}
	}
	if len(paths) > 2 {
		return nil, usagef("--rules can be given twice at most")
	}
	vocabulary, err := readVocabulary(cmd)
	if err != nil {
		return nil, err
	}
	var subjects []eval.Subject
	for _, path := range paths {
		p, err := readPolicy(path)
		if err != nil {
			return nil, err
		}
		engine := rules.New(p).WithVocabulary(vocabulary)
		subjects = append(subjects, eval.Subject{Name: path + " (" + engine.ClassifiedBy() + ")", Engine: engine})
	}
	return subjects, nil
}

// evalSet reads the labels, and the report from files or from the database.
func (a *app) evalSet(ctx context.Context, cmd *cli.Command) (eval.Set, error) {
	labels, err := readRows(cmd.String("gold"), tabular.Gold)
	if err != nil {
		return eval.Set{}, err
	}
	set := eval.Set{Report: cmd.String("name"), Labels: labels}
	switch cycle, report := cmd.String("cycle"), cmd.String("report"); {
	case cmd.String("attributes") != "":
		err := readEvalFiles(cmd, &set)
		return set, err
	case cmd.String("columns") != "":
		return set, usagef("--columns requires --attributes")
	case cycle == "" || report == "":
		return set, usagef("give --cycle and --report, or --attributes and --columns")
	default:
		err := a.withDatabase(ctx, cmd, func(ctx context.Context, db *schema.DB) error {
			err := readEvalReport(ctx, db, cycle, report, &set)
			if errors.Is(err, schema.ErrNotFound) {
				return fmt.Errorf("there is no report %s in cycle %s", report, cycle)
			}
			return err
		})
		return set, err
	}
}

func readEvalFiles(cmd *cli.Command, set *eval.Set) error {
	path := cmd.String("attributes")
	attributes, err := readRows(path, tabular.Attributes)
	if err != nil {
		return err
	}
	set.Attributes = attributes
	if set.Report == "" {
		set.Report = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	if cmd.String("columns") == "" {
		return nil
	}
	rows, err := readRows(cmd.String("columns"), tabular.Columns)
	for _, r := range rows {
		set.Columns = append(set.Columns, schema.SourceColumn{
			DataSourceID: r.DataSource, SchemaName: r.SchemaName, TableName: r.TableName, ColumnName: r.ColumnName,
			DataType: r.DataType, Description: r.Description,
		})
	}
	return err
}

// readRows reads a file. An unreadable file is wrong usage; the problems in it are a result of the command.
func readRows[R any](path string, read func(string, []byte) (tabular.File[R], error)) ([]R, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, &usageError{err}
	}
	file, err := read(path, content)
	return file.Rows, err
}

// readEvalReport reads the attributes and columns of a report from the database.
func readEvalReport(ctx context.Context, db *schema.DB, cycle, report string, set *eval.Set) error {
	row, err := schema.GetReport(ctx, db, cycle, report)
	if err != nil {
		return err
	}
	if set.Report == "" {
		set.Report = row.Name
	}
	if set.Report == "" {
		set.Report = row.ReportID
	}
	list := func(after string, limit int) ([]schema.Attribute, error) {
		return schema.ListAttributes(ctx, db, cycle, report, after, limit)
	}
	for page, err := range schema.Pages(evalPage, list, func(a schema.Attribute) string { return a.ID }) {
		if err != nil {
			return err
		}
		set.Attributes = append(set.Attributes, page...)
	}
	set.Columns, err = schema.ListCandidateColumns(ctx, db, cycle, report)
	return err
}

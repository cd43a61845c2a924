package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// auditPage is the number of rows that are read at once.
	auditPage = 500
	// followEvery is the interval at which --follow looks for new rows.
	followEvery = 500 * time.Millisecond
)

func (a *app) auditCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "audit",
		Usage: "shows and verifies the audit log",
		Description: "Works on the database. verify checks the hash chain and compares the log with jobs, " +
			"items, history and reviews, which reveals changed and removed rows and a cut tail; it " +
			"exits 1 then.\n\n" +
			"pdeflow audit list --job 0198c2f0-8b7e-7cc3-9f4e-0d6a5c1b2a39\n" +
			"pdeflow audit tail --follow\n" +
			"pdeflow audit verify",
		Flags: a.operatorFlags(),
		Commands: []*cli.Command{
			a.auditListCommand(),
			a.auditTailCommand(),
			a.auditVerifyCommand(),
		},
	})
}

func auditFilterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "job", Usage: "only the rows of this job, an `ID`, the beginning of one, or latest"},
		&cli.StringFlag{Name: "mapping", Usage: "only events of this mapping `ID`"},
		&cli.StringFlag{Name: "cycle", Usage: "only events of this `CYCLE`"},
		&cli.StringFlag{Name: "report", Usage: "only events of this `REPORT`"},
		&cli.StringFlag{Name: "actor", Usage: "only actions of this person, job:ID or service `NAME`"},
		choice("origin", "only rows with this origin", audit.Origins()),
		&cli.BoolFlag{Name: "unverified", Usage: "only events that no row confirms"},
		jsonFlag(),
	}
}

// auditFilter reads the flags. --job also takes a prefix of an id and latest.
func auditFilter(ctx context.Context, db *schema.DB, cmd *cli.Command) (audit.Filter, error) {
	job, err := resolveStoredJob(ctx, db, cmd.String("job"))
	return audit.Filter{
		JobID: job, MappingID: cmd.String("mapping"), CycleID: cmd.String("cycle"), ReportID: cmd.String("report"),
		Actor: cmd.String("actor"), Origin: audit.Origin(cmd.String("origin")),
		Unverified: cmd.Bool("unverified"),
	}, err
}

func (a *app) auditListCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "lists the audit log from its beginning",
		Flags: append(auditFilterFlags(), limitFlag(0),
			&cli.Int64Flag{Name: "after", Usage: "only rows after number `SEQ`"}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			return a.withDatabase(ctx, cmd, func(ctx context.Context, db *schema.DB) error {
				p := auditPrinter{app: a, json: cmd.Bool(flagJSON)}
				filter, err := auditFilter(ctx, db, cmd)
				if err != nil {
					return err
				}
				_, err = p.printAfter(ctx, db, filter, cmd.Int64("after"), cmd.Int(flagLimit))
				if err == nil && p.printed == 0 {
					fmt.Fprintln(a.stderr, "no rows")
				}
				return err
			})
		},
	}
}

func (a *app) auditTailCommand() *cli.Command {
	return &cli.Command{
		Name: "tail", Usage: "shows the end of the audit log; with --follow also new rows",
		Flags: append(auditFilterFlags(),
			&cli.IntFlag{
				Name: "lines", Aliases: []string{"n"}, Value: 10, Usage: "show the last `N` rows",
				Validator: func(n int) error {
					if n < 0 {
						return errors.New("must be a whole number from 0 up")
					}
					return nil
				},
			},
			&cli.BoolFlag{
				Name: "follow", Aliases: []string{"f"},
				Usage: "keep printing new rows until interrupted",
			}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			return a.withDatabase(ctx, cmd, func(ctx context.Context, db *schema.DB) error {
				filter, err := auditFilter(ctx, db, cmd)
				if err != nil {
					return err
				}
				return a.auditTail(ctx, db, filter, cmd.Int("lines"), cmd.Bool("follow"), cmd.Bool(flagJSON))
			})
		},
	}
}

func (a *app) auditTail(ctx context.Context, db *schema.DB, filter audit.Filter, lines int, follow, asJSON bool) error {
	p := auditPrinter{app: a, json: asJSON}
	// Read the head first, so that --follow misses no row.
	head, err := audit.GetHead(ctx, db)
	if err != nil {
		return err
	}
	last := head.Seq
	if lines > 0 {
		rows, err := audit.ListLast(ctx, db, filter, lines)
		if err != nil {
			return err
		}
		if len(rows) == 0 && !follow {
			fmt.Fprintln(a.stderr, "no rows")
		}
		if err := p.print(rows); err != nil {
			return err
		}
		if len(rows) > 0 {
			last = rows[len(rows)-1].Seq
		}
	}
	for follow {
		if err := sleep(ctx, followEvery); err != nil {
			return nil //nolint:nilerr // --follow ends with an interrupt
		}
		if last, err = p.printAfter(ctx, db, filter, last, 0); ctx.Err() != nil {
			return nil //nolint:nilerr // likewise
		} else if err != nil {
			return err
		}
	}
	return nil
}

// auditPrinter prints rows of the log as a table or as JSON, one object a line.
type auditPrinter struct {
	app     *app
	json    bool
	printed int
}

// printAfter prints the rows after a number, at most limit unless it is 0, and returns the number of the last one.
func (p *auditPrinter) printAfter(
	ctx context.Context, db *schema.DB, filter audit.Filter, after int64, limit int,
) (int64, error) {
	for left := limit; ; {
		size := auditPage
		if limit > 0 {
			size = min(size, left)
		}
		rows, err := audit.List(ctx, db, filter, after, size)
		if err != nil {
			return after, err
		}
		if err := p.print(rows); err != nil {
			return after, err
		}
		if len(rows) > 0 {
			after = rows[len(rows)-1].Seq
		}
		left -= len(rows)
		if len(rows) < size || limit > 0 && left <= 0 {
			return after, nil
		}
	}
}

func (p *auditPrinter) print(rows []audit.Row) error {
	if p.json {
		encoder := json.NewEncoder(p.app.stdout)
		encoder.SetEscapeHTML(false)
		for _, row := range rows {
			if err := encoder.Encode(auditRowOf(row)); err != nil {
				return err
			}
			p.printed++
		}
		return nil
	}
	w := table(p.app.stdout)
	if p.printed == 0 && len(rows) > 0 {
		printRow(w, "SEQ", "HAPPENED", "BY", "WHAT", "DETAIL", "FROM")
	}
	for _, row := range rows {
		from := string(row.Origin)
		if !row.Verified {
			from += ", unverified"
		}
		printRow(w, row.Seq, row.OccurredAt, row.Actor, row.EventID, auditDetail(row), from)
		p.printed++
	}
	return w.Flush()
}

// auditDetail returns what a row is about, unless its event id shows it.
func auditDetail(row audit.Row) string {
	var data struct {
		Status     string `json:"status"`
		Outcome    string `json:"outcome"`
		Tier       string `json:"information_security_classification"`
		ErrorCode  string `json:"error_code"`
		TotalSteps *int64 `json:"total_steps"`
		Mappings   *int64 `json:"mapping_count"`
		Action     string `json:"action"`
		Object     string `json:"object"`
		Name       string `json:"name"`
	}
	if json.Unmarshal(row.Data, &data) != nil {
		return "" // the data of an unverified event may be anything
	}
	switch {
	case data.Status != "":
		return data.Status
	case data.Outcome != "":
		return cellText(data.Outcome + " " + data.Tier + " " + data.ErrorCode)
	case data.TotalSteps != nil:
		return count(*data.TotalSteps, "mapping")
	case data.Action != "":
		return cellText(data.Object + " " + data.Name + " " + data.Action)
	case data.Mappings != nil:
		return count(*data.Mappings, "mapping") + " of " + row.ReportID
	default:
		return ""
	}
}

// auditRow is a row of the log as JSON.
type auditRow struct {
	Seq         int64           `json:"seq"`
	EventID     string          `json:"event_id"`
	RecordedAt  time.Time       `json:"recorded_at"`
	OccurredAt  *time.Time      `json:"occurred_at"`
	Source      string          `json:"source,omitempty"`
	Type        string          `json:"type,omitempty"`
	Subject     string          `json:"subject"`
	Actor       string          `json:"actor,omitempty"`
	CycleID     string          `json:"cycle_id,omitempty"`
	ReportID    string          `json:"report_id,omitempty"`
	JobID       string          `json:"job_id,omitempty"`
	MappingID   string          `json:"mapping_id,omitempty"`
	Origin      audit.Origin    `json:"origin"`
	Verified    bool            `json:"verified"`
	Traceparent string          `json:"traceparent,omitempty"`
	Data        json.RawMessage `json:"data"`
	PrevHash    string          `json:"prev_hash"`
	Hash        string          `json:"hash"`
}

func auditRowOf(r audit.Row) auditRow {
	row := auditRow{
		Seq: r.Seq, EventID: r.EventID, RecordedAt: r.RecordedAt.UTC(), Source: r.Source, Type: r.Type,
		Subject: r.Subject, Actor: r.Actor,
		CycleID: r.CycleID, ReportID: r.ReportID, JobID: r.JobID, MappingID: r.MappingID, Origin: r.Origin,
		Verified:    r.Verified,
		Traceparent: r.Traceparent, Data: r.Data, PrevHash: r.PrevHash, Hash: r.Hash,
	}
	if !r.OccurredAt.IsZero() {
		at := r.OccurredAt.UTC()
		row.OccurredAt = &at
	}
	return row
}

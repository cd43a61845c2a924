package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestWithoutValues(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		`select * from t where a = 'it''s' and b = 17`:           `select * from t where a = ? and b = ?`,
		`update t set x = E'a\'b', y = 'c\' where z = $1`:        `update t set x = E?, y = ? where z = $?`,
		`select "Weird 1 name", t1.c2 from t1`:                   `select "Weird 1 name", t1.c2 from t1`,
		`select $tag$ secret 'x' $tag$, $$y$$, 1.5e10, -3, 0xff`: `select ?, ?, ?, -?, ?`,
		"select  1\n\t, 'a'":                                     `select ? , ?`,
		`select 'never closed`:                                   `select ?`,
		`select $$never closed`:                                  `select ?`,
		`select '123-45-6789'::text`:                             `select ?::text`,
		`select x'ff', b'01', U&'\0041'`:                         `select x?, b?, U&?`,
		`select '\' , 'second'`:                                  `select ? , ?`,
		`select TRUE, a is not null, "true", NULL from nulls`:    `select ?, a is not null, "true", ? from nulls`,
		"select 1 -- it's\n, 'a' /* and 'b */ from t":            `select ? , ? from t`,
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			got := schema.WithoutValues(sql)
			if strings.ReplaceAll(got, "$?", "?") != strings.ReplaceAll(want, "$?", "?") {
				t.Errorf("%s\n got %s\nwant %s", sql, got, want)
			}
		})
	}
}

func TestEveryStatementIsLogged(t *testing.T) {
	t.Parallel()
	admin := schematest.New(t)
	ids := schematest.Report(t, admin, 1)
	job := schematest.ListedJob(t, admin, 1)
	var out bytes.Buffer
	db, err := schema.Open(
		t.Context(), schematest.URL(t), schema.Options{LogSQL: slog.New(slog.NewJSONHandler(&out, nil)), MaxConns: 1},
	)
	if err != nil {
		t.Fatal(err)
	}
	ctx := schema.WithSubject(t.Context(), job.ID, ids[0])
	work, err := schema.GetWork(ctx, db, job.ID, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if saved, err := save(ctx, db, job.ID, work.Mapping, judged(work.Mapping)); err != nil || !saved {
		t.Fatalf("SaveWork: got %v (%v), want true", saved, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		var entry struct {
			SQL       string `json:"sql"`
			JobID     string `json:"job_id"`
			MappingID string `json:"mapping_id"`
			Duration  *int64 `json:"duration"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{
			"from job_items i join jobs j", "insert into classification_history", "begin", "commit",
		} {
			if strings.Contains(entry.SQL, part) && entry.JobID == job.ID && entry.MappingID == ids[0] &&
				entry.Duration != nil {
				seen[part] = true
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("logged statements: got %v, want 4 of:\n%s", seen, out.String())
	}
	for _, value := range []string{"LN_CURR_BAL_AMT", "Confidential", "the balance today"} {
		if strings.Contains(out.String(), value) {
			t.Errorf("log: got one with the value %q, want none", value)
		}
	}
}

func TestOpen_HidesThePasswordInErrors(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://user:hunter2@127.0.0.1:1/nowhere", "postgres://user:hunter2@127.0.0.1:port/nowhere",
		"hunter2 and nothing else",
	} {
		db, err := schema.Open(t.Context(), url, schema.Options{})
		if err == nil {
			t.Fatal(db.Close())
		}
		if text := fmt.Sprint(err); strings.Contains(text, "hunter2") || !strings.Contains(text, "database") {
			t.Errorf("got error %s, want one with the database and without the password", text)
		}
	}
}

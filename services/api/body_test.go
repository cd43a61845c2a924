package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/api"
)

func TestSlowUploadsDoNotBlockOtherImports(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	contentType, body := form(t, piece{"attributes", "a.csv", someAttributes})
	for i := range 4 { // more than there are imports at once
		id := fmt.Sprint("slow-", i)
		_, err := fmt.Fprintf(f.line(), "POST %s HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\nAuthorization: Bearer "+
			"%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			reportURL("/import"), id, f.token("tina", api.Tester), contentType, len(body), body[:len(body)/2])
		if err != nil {
			t.Fatal(err)
		}
		f.awaitLines(id, 1)
	}
	must[api.Imported](t, f.upload(piece{"attributes", "a.csv", someAttributes}), http.StatusOK)
}

func TestAnAmbiguousBodyIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	regenerate := reportURL("/pde-mappings/regenerate-all")
	for body, want := range map[string]string{
		`{"DRY_RUN": true}`:                   "422 body.DRY_RUN: the name of the field is dry_run",
		`{"dry_run": false, "dry_run": true}`: "422 body.dry_run: is given twice; give it once",
		`{"Dry_Run": false, "dry_run": true}`: "422 body.Dry_Run: the name of the field is dry_run",
		`{"colour": {"a": 1, "a": 2}}`: "422 body.colour: there is no such field; the fields are " +
			"classifier, dry_run, force, mapping_ids, max_cost_usd",
		`{"mapping_ids": ["\ud800"]}`: `400 body: a text has half of a surrogate pair, such as \ud800, ` +
			`which is not a character`,
		`{"mapping_ids": ["\\ud800\udc00x"]}`: `400 body: a text has half of a surrogate pair, such as \ud800, ` +
			`which is not a character`,
		`{"mapping_ids": ["\ud83d\ud83d\ude00"]}`: `400 body: a text has half of a surrogate pair, such as \ud800, ` +
			`which is not a character`,
		"{\"mapping_ids\": [\"\xff\"]}": "400 body: must be UTF-8",
	} {
		t.Run(body, func(t *testing.T) {
			f := f.in(t)
			a := f.post(regenerate, body)
			p := must[api.Problem](t, a, a.status)
			if got := fmt.Sprint(p.Status, " ", p.Detail); got != want || len(p.Errors) != 1 {
				t.Errorf("%s\ngot %s with %d errors\nwant %s with one", body, got, len(p.Errors), want)
			}
		})
	}
	added := must[api.Attribute](t, f.post(reportURL("/attributes"), `{"attribute_name": "\ud83d\ude00 `+
		`\\ud800"}`), http.StatusCreated)
	if added.AttributeName != `😀 \ud800` {
		t.Errorf("attribute name: got %q, want the posted one", added.AttributeName)
	}
	if n := f.Count("select count(*) from jobs"); n != 0 {
		t.Errorf("jobs: got %d, want 0", n)
	}
}

func TestAResponseListsAtMostAHundredErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	many := func(n int, text string) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	fields := new(strings.Builder)
	for i := range 10_000 {
		fmt.Fprintf(fields, `"f%d": 1,`, i)
	}
	for name, tt := range map[string]struct {
		body   string
		errors int
	}{
		"too many ids":         {`{"mapping_ids": [` + many(400_000, "1") + `]}`, 1},
		"many wrong ids":       {`{"mapping_ids": [` + many(20_000, "1") + `]}`, 100},
		"many unknown ids":     {`{"mapping_ids": [` + many(20_000, `"x"`) + `]}`, 100},
		"many unknown fields":  {`{` + fields.String() + `"force": true}`, 100},
		"one field many times": {`{` + many(50_000, `"force": true`) + `}`, 100},
		"many lists in a list": {`{"mapping_ids": ` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			a := f.post(reportURL("/pde-mappings/regenerate-all"), tt.body)
			p := refused(t, a, http.StatusUnprocessableEntity, "invalid")
			if len(p.Errors) != tt.errors || len(a.body) > 64<<10 {
				t.Errorf("%s: got %d problems in %d bytes, want %d in at most 64 KiB",
					name, len(p.Errors), len(a.body), tt.errors)
			}
		})
	}
}

package tabular_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema/tabular"
)

func TestProtect_PreventsExecutionAndIsUndone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":               "",
		"balance":        "balance",
		"'tis":           "'tis",
		"a=b":            "a=b",
		"=1+1":           "'=1+1",
		"+49":            "'+49",
		"-5":             "'-5",
		"@SUM(A1)":       "'@SUM(A1)",
		"\t=1":           "'\t=1",
		"\r=1":           "'\r=1",
		"\n=1":           "'\n=1",
		"＝1":             "'＝1",
		"'=1":            "''=1",
		"''-1":           "'''-1",
		"=HYPERLINK(\"x": "'=HYPERLINK(\"x",
	} {
		t.Run(text, func(t *testing.T) {
			if got := tabular.Protect(text); got != want {
				t.Errorf("Protect: got %q, want %q", got, want)
			}
			if got := tabular.Unprotect(want); got != text {
				t.Errorf("Unprotect: got %q, want %q", got, text)
			}
		})
	}
}

func TestCSVWriter_WritesTypedValues(t *testing.T) {
	t.Parallel()
	var to strings.Builder
	w, err := tabular.NewCSVWriter(&to, []string{"text", "number", "flag", "time", "none"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 27, 1, 2, 3, 4000, time.FixedZone("", 3600))
	for _, row := range [][]any{
		{"a \"quoted\",\ntext", int64(-7), true, at, nil}, {"=cmd|' /C calc'!A0", int64(0), false, at, nil},
	} {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(strings.NewReader(to.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const atText = "2026-11-27T00:02:03.000004Z"
	want := [][]string{
		{"text", "number", "flag", "time", "none"},
		{"a \"quoted\",\ntext", "-7", "true", atText, ""},
		{"'=cmd|' /C calc'!A0", "0", "false", atText, ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
}

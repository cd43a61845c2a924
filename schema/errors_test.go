package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pdeflow/pdeflow/schema"
)

func TestErrorText_CanBeStoredAndPublished(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "plain": "panic: nil policy", "NUL": "a\x00b", "invalid UTF-8": "a\xff\xfeb",
		"lines": "one\ntwo\r\tthree\u0085four",
		"long":  strings.Repeat("x", 2<<20), "long in Unicode": strings.Repeat("日本語", 4000),
		"long and invalid": strings.Repeat("\xff", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := schema.ErrorText(text)
			if len(got) > schema.MaxErrorText || !utf8.ValidString(got) ||
				strings.ContainsFunc(got, unicode.IsControl) {
				t.Errorf("%s: got %d bytes, %.80q, want valid text of at most %d bytes", name, len(got), got,
					schema.MaxErrorText)
			}
			if utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl) &&
				len(text) <= schema.MaxErrorText && got != text {
				t.Errorf("%s: got %q, want %q unchanged", name, got, text)
			}
			if again := schema.ErrorText(got); again != got {
				t.Errorf("%s: second pass: got %.80q, want %.80q unchanged", name, again, got)
			}
		})
	}
	if got := schema.ErrorText("a\x00b\xffc"); got != "a b?c" {
		t.Errorf("got %q, want %q", got, "a b?c")
	}
}

func TestIsOutdated_NeedsAMissingTableOrColumn(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"42P01": true, "42703": true, "42883": false, "42501": false, "08006": false,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			err := fmt.Errorf("read: %w", &pgconn.PgError{Code: code})
			if got := schema.IsOutdated(err); got != want {
				t.Errorf("IsOutdated(%s): got %v, want %v", code, got, want)
			}
		})
	}
}

func TestIsRefused_DistinguishesRefusedStatementsFromAnUnavailableDatabase(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"22001": true, "22P05": true, "23514": true, "42601": true, "42P18": true, "54000": true, "54001": true,
		"XX000": true, "XX001": true,
		"0A000": true, "P0001": true,
		"08006": false, "25006": false, "26000": false, "28P01": false, "40001": false, "40P01": false, "53100": false,
		"53300": false,
		"55P03": false, "57014": false, "57P01": false, "58030": false, "42501": false, "42P01": false, "42703": false,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			if got := schema.IsRefused(&pgconn.PgError{Code: code}); got != want {
				t.Errorf("IsRefused(%s): got %v, want %v", code, got, want)
			}
		})
	}
	if schema.IsRefused(errors.New("conn closed")) || schema.IsRefused(nil) {
		t.Error("IsRefused: got true for an error that is not from the database, want false")
	}
}

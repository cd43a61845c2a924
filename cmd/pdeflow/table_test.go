package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
)

func cells(line string) int { return uniseg.StringWidth(line) }

func TestTable_AlignsByCells(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := table(&out)
	printRow(w, "NAME", "UNIT", "STATE")
	printRow(w, "日本の残高", "JPY", "ok")
	printRow(w, "Solde débiteur", "EUR", "ok")
	printRow(w, "नमस्ते", "INR", "ok")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	printRow(w, "Loan", "USD", "ok") // of the next page
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for _, line := range lines {
		last := strings.LastIndex(line, " ")
		if got, want := cells(line[:last]), cells(lines[0][:strings.LastIndex(lines[0], " ")]); got != want {
			t.Errorf("got the last column at cell %d, want %d: %s", got, want, line)
		}
	}
}

func TestANameCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	if got := cellText("a\x1b[2Jb\nc\x07"); got != "a\uFFFD[2Jb c\uFFFD" {
		t.Errorf("got %q, want the control characters replaced", got)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"one two three":     "one two|three",
		"":                  "",
		"abcdefghijklm":     "abcdefgh|ijklm",
		"a bcdefghijklmnop": "a bcdefg|hijklmno|p",
		"日本語の長い名前":          "日本語の|長い名前",
		"日本語 の 長い":          "日本語|の 長い",
	} {
		t.Run(text, func(t *testing.T) {
			if got := strings.Join(wrap(text, 8), "|"); got != want {
				t.Errorf("wrap(%q): got %q, want %q", text, got, want)
			}
		})
	}
}

func TestDurationTextAgeTextAndCount(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		11282 * time.Second: "3h8m2s", 90 * time.Second: "1m30s", 1234567 * time.Microsecond: "1.235s", 0: "0s",
	} {
		t.Run(d.String(), func(t *testing.T) {
			if got := durationText(d); got != want {
				t.Errorf("%v: got %q, want %q", d, got, want)
			}
		})
	}
	for age, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m", 47 * time.Hour: "47h",
		49 * time.Hour: "2d",
	} {
		t.Run(age.String(), func(t *testing.T) {
			if got := ageText(age); got != want {
				t.Errorf("age %v: got %q, want %q", age, got, want)
			}
		})
	}
	if got := count(1, "point") + ", " + count(2, "point"); got != "1 point, 2 points" {
		t.Errorf("got %q, want 1 point, 2 points", got)
	}
	if got := quoted(`Kredite „Auto"`); got != `“Kredite „Auto"”` {
		t.Errorf("got %s, want “Kredite „Auto\"”", got)
	}
}

func TestRewrap_IndentsToTheLastColumn(t *testing.T) {
	t.Parallel()
	words := strings.TrimSuffix(strings.Repeat("word ", 20), " ")
	got := strings.Split(rewrap(&bytes.Buffer{}, "short  line\n  tier   HRCI  "+words+"\nprose "+words), "\n")
	if len(got) != 5 || got[0] != "short  line" || !strings.HasPrefix(got[1], "  tier   HRCI  word") ||
		!strings.HasPrefix(got[2], strings.Repeat(" ", 15)+"word") ||
		!strings.HasPrefix(got[4], "word") {
		t.Errorf("got %q, want five lines with their indents", got)
	}
	for _, line := range got {
		if cells(line) > defaultWidth {
			t.Errorf("got a line of %d cells, want at most %d: %s", cells(line), defaultWidth, line)
		}
	}
}

package sample_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
)

// The classifier has to work on unknown reports, so it must not contain the names of this one.
func TestTheSampleOccursNowhereElse(t *testing.T) {
	t.Parallel()
	names := namesOf(t)
	looked := 0
	for path, text := range textFiles(t) {
		looked++
		for _, name := range names.in(text) {
			t.Errorf("%s: got the sample's name %q", path, name)
		}
	}
	if looked < 10 {
		t.Errorf("got only %d files", looked)
	}
}

func TestSampleNames_In(t *testing.T) {
	t.Parallel()
	names := namesOf(t)
	if len(names.phrases) < 40 || len(names.technical) != 118 {
		t.Errorf("got %d phrases and %d technical names", len(names.phrases), len(names.technical))
	}
	tests := []struct {
		text  string
		found bool
	}{
		{"the APR at Cycle End, as billed", true},
		{"apr AT cycle end", true},
		{"the APR at\n\t// cycle end", true},
		{"| apr at\n> cycle end", true},
		{"gross charge-off amount - current month", true},
		{"Gross Charge-off Amount – Current Month", true},
		{"match: average daily balance (adb)", true},
		{"skip = SkipaPaymentFlag", true},
		{"x_RewardType_y", true},
		{"APR at cycle ending", false},
		{"ExAPR at cycle end", false},
		{"average daily balance", false},
		{"probability of default, PD", false},
		{"charge-off reason", false}, // three words are allowed
		{"rewardtype", false},
		{"RewardTypes", false},
		{"", false},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			if got := names.in([]byte(tt.text)); (len(got) > 0) != tt.found {
				t.Errorf("%q: got %q, want a match: %v", tt.text, got, tt.found)
			}
		})
	}
}

// sampleNames holds names that identify the sample's attributes and hardly occur otherwise.
type sampleNames struct {
	// phrases are the full names of four words or more, as plain writes them.
	phrases []string
	// technical are the technical names. All have two parts or more, so that even the short ones can be compared as
	// written: none occurs in prose.
	technical map[string]bool
}

func namesOf(t *testing.T) sampleNames {
	t.Helper()
	names := sampleNames{technical: make(map[string]bool)}
	for _, row := range table(t, sample.Attributes()) {
		names.technical[row["technical_line_item_name"]] = true
		words := slices.DeleteFunc(strings.Fields(row["attribute_name"]), func(word string) bool {
			return !strings.ContainsFunc(word, isWord)
		})
		if len(words) >= 4 {
			names.phrases = append(names.phrases, plain(row["attribute_name"]))
		}
	}
	return names
}

// in lists the names that occur in a text.
func (names sampleNames) in(text []byte) []string {
	var found []string
	folded := plain(string(text))
	for _, phrase := range names.phrases {
		if occursIn(folded, phrase) {
			found = append(found, phrase)
		}
	}
	for _, word := range bytes.FieldsFunc(text, func(r rune) bool { return !isWord(r) }) {
		if names.technical[string(word)] {
			found = append(found, string(word))
		}
	}
	return found
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// occursIn reports whether a phrase occurs in a text and neither begins nor ends within a word.
func occursIn(text, phrase string) bool {
	for rest := text; ; {
		at := strings.Index(rest, phrase)
		if at < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(rest[:at])
		after, _ := utf8.DecodeRuneInString(rest[at+len(phrase):])
		if !isWord(before) && !isWord(after) {
			return true
		}
		rest = rest[at+1:]
	}
}

// lineBreak matches the end of a line and the prefix of a continued comment, list, quotation or table.
var lineBreak = regexp.MustCompile(`\s*\n\s*(//|--|[#>*|])?`)

// plain normalises a text so that case, kind of dash, and line breaks make no difference.
func plain(text string) string {
	text = lineBreak.ReplaceAllString(strings.ToLower(text), " ")
	text = strings.NewReplacer("\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-", "\u2014", "-", "\u2019",
		"'").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}

// textFiles returns the texts of the module by path, except this folder.
func textFiles(t *testing.T) map[string][]byte {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root := here
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatalf("no go.mod in or above %s", here)
		}
		root = filepath.Dir(root)
	}
	texts := make(map[string][]byte)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone since its folder was read
			return nil
		case err != nil:
			return err
		case entry.IsDir() && (path == here || entry.Name() == ".git"):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !bytes.ContainsRune(text, 0) {
			texts[strings.TrimPrefix(path, root+string(filepath.Separator))] = text
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

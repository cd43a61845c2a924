package sample_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
)

func TestReportHasEveryAttributeOfTheFormDescribed(t *testing.T) {
	t.Parallel()
	rows := table(t, sample.Attributes(), "attribute_name", "description", "data_type", "line_item_number",
		"technical_line_item_name",
		"mdrm", "is_mandatory", "is_cde", "is_primary_key", "has_issues", "validation_rules")
	if len(rows) != 118 {
		t.Fatalf("got %d attributes, want 118", len(rows))
	}
	for _, name := range []string{
		"attribute_name", "description", "line_item_number", "technical_line_item_name", "mdrm",
	} {
		unique(t, rows, name)
	}
	for _, row := range rows {
		for _, name := range []string{
			"attribute_name", "description", "data_type", "technical_line_item_name", "mdrm", "validation_rules",
		} {
			if row[name] == "" {
				t.Errorf("line %s has no %s", row["line_item_number"], name)
			}
		}
		for _, name := range []string{"is_mandatory", "is_cde", "is_primary_key", "has_issues"} {
			if row[name] != "true" && row[name] != "false" {
				t.Errorf("line %s: %s: got %q", row["line_item_number"], name, row[name])
			}
		}
		if strings.EqualFold(strings.TrimSuffix(row["description"], "."), row["attribute_name"]) {
			t.Errorf("line %s: its description only repeats its name", row["line_item_number"])
		}
	}
	for _, name := range []string{"is_mandatory", "is_cde", "is_primary_key", "has_issues"} {
		if n := count(rows, name, "true"); n == 0 || n == len(rows) {
			t.Errorf("%s: got %d of %d attributes", name, n, len(rows))
		}
	}
}

func TestRetiredNumbersAreMissing(t *testing.T) {
	t.Parallel()
	numbers := values(table(t, sample.Attributes()), "line_item_number")
	for _, retired := range []string{"16", "35", "36", "37", "55"} {
		if slices.Contains(numbers, retired) {
			t.Errorf("got the retired line %s", retired)
		}
	}
	if last := numbers[len(numbers)-1]; last != "123" {
		t.Errorf("got last line %s, want 123", last)
	}
}

func TestTheSchemaIsAsLargeAndVariedAsAnIssuers(t *testing.T) {
	t.Parallel()
	rows := columns(t)
	if len(rows) < 250 {
		t.Errorf("got %d columns, want 250 or more", len(rows))
	}
	var tables, sources []string
	for _, row := range rows {
		for _, name := range []string{"data_source", "schema", "table", "column", "data_type"} {
			if row[name] == "" {
				t.Errorf("%s has no %s", sourceField(row), name)
			}
		}
		tables, sources = append(tables, row["schema"]+"."+row["table"]), append(sources, row["data_source"])
	}
	slices.Sort(tables)
	slices.Sort(sources)
	if n := len(slices.Compact(tables)); n < 18 {
		t.Errorf("got %d tables, want 18 or more", n)
	}
	if n := len(slices.Compact(sources)); n != 3 {
		t.Errorf("got %d data sources, want 3", n)
	}
	for _, dialect := range []string{"DECIMAL(13,2)", "BYTEINT", "VARCHAR2(40)", "TIMESTAMP(6)"} {
		if count(rows, "data_type", dialect) == 0 {
			t.Errorf("no column is of type %s", dialect)
		}
	}
	if n := count(rows, "description", ""); n < 40 || n > len(rows)/3 {
		t.Errorf("got %d of %d empty descriptions, want some", n, len(rows))
	}
	fields := fields(t)
	if len(fields) != len(rows) {
		t.Errorf("got %d names for %d columns", len(fields), len(rows))
	}
}

func TestNoColumnIsAFiller(t *testing.T) {
	t.Parallel()
	numbered := regexp.MustCompile(`\d$|_\d+_`)
	filler := regexp.MustCompile(
		`(^|_)(FILLER|SPARE|RSRVD|RESERVED|DUMMY|MISC|UDF|USER_DEF|COL|COLUMN|FIELD|FLD|TEST|TMP)(_|$)`)
	for _, row := range columns(t) {
		for _, name := range []string{row["table"], row["column"]} {
			if numbered.MatchString(name) || filler.MatchString(name) {
				t.Errorf("%s is a filler or numbered", sourceField(row))
			}
		}
	}
}

func TestNearTwinsAreEasilyConfused(t *testing.T) {
	t.Parallel()
	known := fields(t)
	pairs := make(map[string]bool)
	for _, row := range table(t, read(t, "testdata/twins.csv"), "column", "twin", "difference") {
		a, b := row["column"], row["twin"]
		if known[a] == nil || known[b] == nil {
			t.Errorf("got %s and %s, want two columns", a, b)
			continue
		}
		if row["difference"] == "" {
			t.Errorf("%s and %s: got no difference", a, b)
		}
		if shared := sharedWords(known[a]["column"], known[b]["column"]); shared < 0.5 {
			t.Errorf("%s and %s: got %.0f%% common words, want names that are easily confused", a, b, 100*shared)
		}
		pairs[min(a, b)+" "+max(a, b)] = a != b
	}
	if len(pairs) < 20 {
		t.Errorf("got %d pairs of near twins, want 20 or more", len(pairs))
	}
}

// sharedWords returns the share of the shorter name's words that the longer one also has.
func sharedWords(a, b string) float64 {
	short, long := strings.Split(a, "_"), strings.Split(b, "_")
	if len(short) > len(long) {
		short, long = long, short
	}
	shared := 0
	for _, word := range short {
		if slices.Contains(long, word) {
			shared++
		}
	}
	return float64(shared) / float64(len(short))
}

func TestCustomersArePeople(t *testing.T) {
	t.Parallel()
	known := fields(t)
	for _, field := range []string{
		"CUSTHUB.CUST_PRTY.FRST_NM", "CUSTHUB.CUST_PRTY.LST_NM", "CUSTHUB.CUST_PRTY.BRTH_DT",
		"CUSTHUB.CUST_PRTY.SSN_NBR",
		"CUSTHUB.CUST_PRTY.DRVR_LIC_NBR", "CUSTHUB.CUST_PRTY.PSPRT_NBR", "CUSTHUB.CUST_PRTY.ETHN_CD",
		"CUSTHUB.CUST_ADDR.RES_ADDR_LN_TXT",
		"CUSTHUB.CUST_CNTCT.CELL_PHN_NBR", "CUSTHUB.CUST_CNTCT.EML_ADDR_TXT", "CUSTHUB.COMM_CUST.EIN_NBR",
		"CRDPROC.CARD_PLSTC.PAN_NBR",
		"CRDPROC.CARD_PLSTC.EMBSD_NM",
	} {
		if known[field] == nil {
			t.Errorf("%s is missing", field)
		}
	}
}

func TestSecretsAreInOneTable(t *testing.T) {
	t.Parallel()
	secret := regexp.MustCompile(`(^|_)(PWD|PIN|CVV|OTP|ANSR)_`)
	found := 0
	for _, row := range columns(t) {
		if !secret.MatchString(row["column"]) {
			continue
		}
		found++
		if row["table"] != "AUTH_CRDNTL" {
			t.Errorf("%s is a secret", sourceField(row))
		}
	}
	if found < 5 {
		t.Errorf("got %d secrets, want 5 or more", found)
	}
}

func TestLookupTablesHaveACodeAndItsMeaning(t *testing.T) {
	t.Parallel()
	codes, meanings := make(map[string]bool), make(map[string]bool)
	for _, row := range columns(t) {
		if strings.HasPrefix(row["table"], "REF_") {
			codes[row["table"]] = codes[row["table"]] || strings.HasSuffix(row["column"], "_CD")
			meanings[row["table"]] = meanings[row["table"]] || strings.HasSuffix(row["column"], "_DESC")
		}
	}
	if len(codes) < 3 {
		t.Errorf("got %d lookup tables, want 3 or more", len(codes))
	}
	for name := range codes {
		if !codes[name] || !meanings[name] {
			t.Errorf("%s lacks a code or its meaning", name)
		}
	}
}

func TestEarlierMappingsBelongToTheReport(t *testing.T) {
	t.Parallel()
	known := fields(t)
	names := make(map[string]string)
	for _, row := range table(t, sample.Attributes()) {
		names[row["line_item_number"]] = row["attribute_name"]
	}
	rows := table(t, sample.Mappings(), "line_item_number", "attribute_name", "pde_name", "pde_code", "pde_description",
		"data_source",
		"source_field", "mapping_type", "transformation_rule", "business_process", "business_owner", "data_steward",
		"mapping_confirmed_by_user")
	unique(t, rows, "line_item_number")
	for _, row := range rows {
		line := row["line_item_number"]
		if names[line] != row["attribute_name"] || names[line] == "" {
			t.Errorf("line %s: got %q, want %q", line, names[line], row["attribute_name"])
		}
		if column := known[row["source_field"]]; column == nil || column["data_source"] != row["data_source"] {
			t.Errorf("line %s: got %s, want a column of %s", line, row["source_field"], row["data_source"])
		}
		if !slices.Contains([]string{"direct", "calculated", "lookup", "conditional"}, row["mapping_type"]) {
			t.Errorf("line %s: got mapping type %q", line, row["mapping_type"])
		}
		if row["business_owner"] == "" || row["data_steward"] == "" || row["business_process"] == "" {
			t.Errorf("line %s: got no owner", line)
		}
	}
	if n := count(rows, "mapping_confirmed_by_user", "true"); n != 2 {
		t.Errorf("got %d confirmed mappings, want 2", n)
	}
	if n := count(rows, "mapping_confirmed_by_user", "false"); n != len(rows)-2 {
		t.Errorf("got %d unconfirmed mappings, want %d", n, len(rows)-2)
	}
}

// row is a line of a table by the names in its header.
type row map[string]string

// table reads a CSV file and checks its header, if one is given.
func table(t *testing.T, text []byte, header ...string) []row {
	t.Helper()
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(header) > 0 && !slices.Equal(lines[0], header) {
		t.Fatalf("got header %v, want %v", lines[0], header)
	}
	rows := make([]row, 0, len(lines)-1)
	for _, line := range lines[1:] {
		r := make(row, len(line))
		for i, cell := range line {
			r[lines[0][i]] = cell
		}
		rows = append(rows, r)
	}
	return rows
}

func columns(t *testing.T) []row {
	t.Helper()
	return table(t, sample.Columns(), "data_source", "schema", "table", "column", "data_type", "description")
}

func sourceField(r row) string { return r["schema"] + "." + r["table"] + "." + r["column"] }

// fields returns every column by its source field.
func fields(t *testing.T) map[string]row {
	t.Helper()
	rows := columns(t)
	known := make(map[string]row, len(rows))
	for _, r := range rows {
		known[sourceField(r)] = r
	}
	return known
}

func values(rows []row, name string) []string {
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = r[name]
	}
	return all
}

func count(rows []row, name, value string) int {
	n := 0
	for _, r := range rows {
		if r[name] == value {
			n++
		}
	}
	return n
}

func unique(t *testing.T, rows []row, name string) {
	t.Helper()
	seen := make(map[string]bool, len(rows))
	for _, r := range rows {
		if seen[r[name]] {
			t.Errorf("got %s %q twice", name, r[name])
		}
		seen[r[name]] = true
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

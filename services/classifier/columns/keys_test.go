package columns

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

// declared returns the columns with declared keys: "*" before a name marks the primary key, and "> S.TABLE.COLUMN"
// after the type a foreign key.
func declared(table string, columns ...string) []schema.SourceColumn {
	var all []schema.SourceColumn
	for _, text := range columns {
		name, isPrimary := strings.CutPrefix(text, "*")
		name, references, _ := strings.Cut(name, " > ")
		c := columnsOf(table, name)[0]
		c.IsPrimaryKey, c.References = isPrimary, references
		all = append(all, c)
	}
	return all
}

func undeclared(columns []schema.SourceColumn) []schema.SourceColumn {
	columns = slices.Clone(columns)
	for i := range columns {
		columns[i].IsPrimaryKey, columns[i].References = false, ""
	}
	return columns
}

// clinic names its keys by short forms that are in no dictionary, or by the role of what they refer to.
func clinic() []schema.SourceColumn {
	return slices.Concat(
		declared("PATIENT", "*XPN|integer", "BIRTH_DT|date", "PATIENT_WEIGHT|numeric(6,2)"),
		declared("ADMISSION", "*ADMQ|integer", "XPN|integer > S.PATIENT.XPN", "ADMISSION_TYPE|varchar(40)"),
		declared("VISIT", "*VISIT_ID|integer", "SEEN_BY|varchar(140) > S.EMPLOYEE.EMPLOYEE_ID",
			"WARD_CD|char(4) > S.WARD.WARD_CD"),
		declared("EMPLOYEE_SHIFT", "*EMPLOYEE_ID|integer > S.EMPLOYEE.EMPLOYEE_ID", "*SHIFT_NO|integer"),
		declared("WARD", "*WARD_CD|char(4)", "WARD_NM|varchar(40)"),
	)
}

func TestDeclaredKeys_IdentifyTheirTableWhateverTheirNames(t *testing.T) {
	t.Parallel()
	all := clinic()
	for name, want := range map[string]string{
		"Patient Identifier": "S.PATIENT.XPN", "Admission Identifier": "S.ADMISSION.ADMQ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := NewIndex(all).Rank(attribute(name, "C18")); got.SourceField != want {
				t.Errorf("got %s, want %s: %s", orNothing(got.SourceField), want, got.Rationale)
			}
			if got := NewIndex(undeclared(all)).Rank(attribute(name, "C18")); got.SourceField == want {
				t.Errorf("without declared keys: got %s, want another column", got.SourceField)
			}
		})
	}
}

func TestDeclaredKeys_AForeignKeyIdentifiesWhatItRefersTo(t *testing.T) {
	t.Parallel()
	visits := slices.DeleteFunc(clinic(), func(c schema.SourceColumn) bool { return c.TableName == "EMPLOYEE_SHIFT" })
	got := NewIndex(visits).Rank(attribute("Employee Identifier", "C18"))
	if got.SourceField != "S.VISIT.SEEN_BY" {
		t.Errorf("got %s, want S.VISIT.SEEN_BY: %s", orNothing(got.SourceField), got.Rationale)
	}
	if got := NewIndex(undeclared(visits)).Rank(attribute("Employee Identifier", "C18")); got.SourceField != "" {
		t.Errorf("without declared keys: got %s, want nothing", got.SourceField)
	}
}

// A column that looks like a made-up key is a number that people use if the primary key is another column.
func TestDeclaredKeys_AnotherPrimaryKeyLeavesTheNumberToPeople(t *testing.T) {
	t.Parallel()
	member := func(primary string) schema.SourceColumn {
		return declared("MEMBER", primary, "FIRST_NM|varchar(40)", "BIRTH_DT|date")[0]
	}
	own := NewIndex([]schema.SourceColumn{member("*MEMBER_ID|varchar(20)")})
	other := NewIndex(slices.Concat([]schema.SourceColumn{member("MEMBER_ID|varchar(20)")},
		declared("MEMBER", "*ROW_SK|bigint")))
	number := attribute("Member Number", "C20")
	if a, b := own.Rank(number), other.Rank(number); a.Score >= b.Score {
		t.Errorf("score: got %.3f for the primary key and %.3f for another column, want less", a.Score, b.Score)
	}
}

// The rows of the report's main table have one row each of the tables to which it refers, and many of its children.
func TestDeclaredKeys_PreferWhatTheMainTableRefersTo(t *testing.T) {
	t.Parallel()
	all := slices.Concat(
		declared("CONTRACT", "*CONTRACT_ID|integer", "CLIENT|integer > S.PARTY.PARTY_ID", "TERM_MONTHS|numeric(3)",
			"RATE_PCT|numeric(6,3)", "PRODUCT_TYPE|char(2)"),
		declared("NOTE", "*NOTE_ID|integer", "CONTRACT_ID|integer > S.CONTRACT.CONTRACT_ID", "LANGUAGE_CD|char(2)"),
		declared("PARTY", "*PARTY_ID|integer", "LANGUAGE_CD|char(2)"),
	)
	language := attribute("Language Code", "C2")
	report := []schema.Attribute{
		language, attribute("Product Type", "C2"), attribute("Term in Months", "N3"), attribute("Rate", "N6.3"),
	}
	got := NewIndex(all).Report(report).Rank(language)
	if got.SourceField != "S.PARTY.LANGUAGE_CD" {
		t.Errorf("got %s, want S.PARTY.LANGUAGE_CD: %s", orNothing(got.SourceField), got.Rationale)
	}
	if got := NewIndex(undeclared(all)).Report(report).Rank(language); got.SourceField == "S.PARTY.LANGUAGE_CD" {
		t.Errorf("without declared keys: got %s, want the first by name", got.SourceField)
	}
}

// The record's code, and not that of the code table to which it refers, is the record's.
func TestDeclaredKeys_ACodeOfARecordIsNotThatOfTheCodeTable(t *testing.T) {
	t.Parallel()
	got := NewIndex(clinic()).Rank(attribute("Ward Code", "C4"))
	if !slices.Contains([]string{"S.VISIT.WARD_CD", "S.WARD.WARD_CD"}, got.SourceField) {
		t.Errorf("got %s, want WARD_CD: %s", orNothing(got.SourceField), got.Rationale)
	}
}

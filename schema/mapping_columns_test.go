package schema_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// managed lists the columns of a mapping that identify the row or that every write sets. All others have a column tag.
var managed = []string{
	"id", "cycle_id", "report_id", "attribute_id", "version", "created_at", "created_by", "updated_at", "updated_by",
}

// columnsWith returns the names of the columns of a mapping whose tag satisfies the condition.
func columnsWith(condition func(name string, words []string) bool) (names []string) {
	for field := range reflect.TypeFor[schema.Mapping]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("bun"), ",")
		words := strings.Split(field.Tag.Get("column"), ",")
		if field.Name != "BaseModel" && condition(name, words) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// filled returns the mapping with a value in every column that has the word in its tag. The values differ from zero.
func filled(t *testing.T, m schema.Mapping, word string) schema.Mapping {
	t.Helper()
	values := reflect.ValueOf(&m).Elem()
	for field := range values.Type().Fields() {
		if !slices.Contains(strings.Split(field.Tag.Get("column"), ","), word) {
			continue
		}
		value, ok := map[string]any{
			"string": "text of " + field.Name, "bool": true, "*bool": new(true), "*int": new(91),
			"time.Time":          time.Unix(1e9, 0),
			"schema.MappingType": schema.MappingTypeLookup, "schema.Level": schema.LevelHigh,
			"schema.ReviewStatus":                      schema.ReviewStatusApproved,
			"schema.InformationSecurityClassification": schema.TierHRCI, "schema.Tier": schema.TierHRCI,
			"[]schema.Alternative": []schema.Alternative{{SourceField: "svc.LN_MSTR.VIN", Score: 3, Reason: "x"}},
			"[]string":             []string{"FR Y-14"},
			"schema.SourceFields":  schema.SourceFields{"text of SourceField", "svc.LN_MSTR.VIN"},
		}[field.Type.String()]
		if !ok {
			t.Fatalf("%s: got type %s, want one that this test has a value of", field.Name, field.Type)
		}
		values.FieldByIndex(field.Index).Set(reflect.ValueOf(value))
	}
	return m
}

func diffMappings(want, got schema.Mapping) string {
	return cmp.Diff(want, got, cmpopts.IgnoreFields(schema.Mapping{}, "Version", "UpdatedAt", "UpdatedBy"),
		cmpopts.IgnoreUnexported(bun.BaseModel{}), cmpopts.EquateApproxTime(0))
}

func TestMapping_HasAFieldForEveryColumnOfTheTable(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	var want []string
	err := db.NewRaw(`select column_name from information_schema.columns
		where table_schema = 'public' and table_name = 'pde_mappings'
		order by column_name collate "C"`).Scan(t.Context(), &want)
	if err != nil {
		t.Fatal(err)
	}
	got := columnsWith(func(string, []string) bool { return true })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns of the table and of the row (-table +row):\n%s", diff)
	}
}

func TestMapping_HasATagForEveryColumn(t *testing.T) {
	t.Parallel()
	untagged := columnsWith(func(name string, words []string) bool {
		return words[0] == "" && !slices.Contains(managed, name)
	})
	if len(untagged) > 0 {
		t.Errorf("got no column tag for %q, want who sets it: job, import or both", untagged)
	}
	for field := range reflect.TypeFor[schema.Mapping]().Fields() {
		for word := range strings.SplitSeq(field.Tag.Get("column"), ",") {
			if !slices.Contains([]string{"", "job", "import", "decision", "classification"}, word) {
				t.Errorf("column tag of %s: got %q, want job, import, decision or classification", field.Name, word)
			}
		}
	}
}

func TestSaveWork_WritesEveryColumnOfAJob(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	before := read(t, db, job.ID, ids[0]).Mapping
	for _, want := range []schema.Mapping{
		filled(t, before, "job"),
		{ // everything is null again
			ID: before.ID, CycleID: before.CycleID, ReportID: before.ReportID, AttributeID: before.AttributeID,
			BusinessProcess: before.BusinessProcess, BusinessOwner: before.BusinessOwner,
			DataSteward:  before.DataSteward,
			ReviewStatus: schema.ReviewStatusPending, CreatedAt: before.CreatedAt, CreatedBy: before.CreatedBy,
		},
	} {
		current := read(t, db, job.ID, ids[0]).Mapping
		if saved, err := save(t.Context(), db, job.ID, current, want); err != nil || !saved {
			t.Fatalf("SaveWork: got %t, %v, want true", saved, err)
		}
		if diff := diffMappings(want, read(t, db, job.ID, ids[0]).Mapping); diff != "" {
			t.Errorf("mapping after SaveWork (-want +got):\n%s", diff)
		}
		if _, err := db.NewRaw("update job_items set outcome = null, ended_at = null").Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := db.NewRaw("delete from classification_history").Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImage_HasEveryColumnThatIsSet(t *testing.T) {
	t.Parallel()
	// The digest of a job's input is no value of the mapping.
	withoutImage := []string{"input_hash"}
	m := filled(t, filled(t, schema.Mapping{Version: 7}, "job"), "import")
	text, err := json.Marshal(m.Image())
	if err != nil {
		t.Fatal(err)
	}
	var image map[string]any
	if err := json.Unmarshal(text, &image); err != nil {
		t.Fatal(err)
	}
	want := columnsWith(func(name string, words []string) bool {
		return name == "version" || words[0] != "" && !slices.Contains(withoutImage, name)
	})
	var got []string
	for name, value := range image {
		got = append(got, name)
		if value == nil {
			t.Errorf("%s: got null, want the value of the mapping", name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns of the row and of its image (-row +image):\n%s", diff)
	}
}

func TestImage_IsNullForAnEmptyColumn(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(schema.Mapping{ReviewStatus: schema.ReviewStatusPending}.Image())
	if err != nil {
		t.Fatal(err)
	}
	var image map[string]any
	if err := json.Unmarshal(got, &image); err != nil {
		t.Fatal(err)
	}
	for name, value := range image {
		want := map[string]any{"version": 0.0, "review_status": "pending", "mapping_confirmed_by_user": false}[name]
		if value != want {
			t.Errorf("%s: got %v, want %v", name, value, want)
		}
	}
}

func TestImport_WritesEveryColumnOfAFile(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := schema.ReportData{
		Attributes: schema.Rows[schema.Attribute]{All: slices.Values([]schema.Attribute{
			{LineItemNumber: "1", AttributeName: "Balance"},
		})},
		Columns: schema.Rows[schema.ColumnRow]{All: slices.Values([]schema.ColumnRow{
			{DataSource: "Loans", SchemaName: "svc", TableName: "LOANS", ColumnName: "BAL"},
			{DataSource: "Loans", SchemaName: "svc", TableName: "LOANS", ColumnName: "LMT"},
		})},
	}
	row := schema.MappingRow{
		Line: 2, LineItemNumber: "1", DataSource: "Loans", SourceField: "svc.LOANS.BAL", Confirmed: true,
		SourceFields: schema.SourceFields{"svc.LOANS.BAL", "svc.LOANS.LMT"},
	}
	values := reflect.ValueOf(&row).Elem()
	sample := reflect.ValueOf(filled(t, schema.Mapping{}, "import"))
	for field := range values.Type().Fields() {
		value := sample.FieldByName(field.Name)
		if value.IsValid() && values.FieldByIndex(field.Index).IsZero() {
			values.FieldByIndex(field.Index).Set(value)
		}
	}
	data.Mappings = slices.Values([]schema.MappingRow{row})
	loaded(t, db, data)
	var m schema.Mapping
	if err := db.NewSelect().Model(&m).Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := reflect.ValueOf(m)
	for field := range got.Type().Fields() {
		imported := slices.Contains(strings.Split(field.Tag.Get("column"), ","), "import")
		if imported && got.FieldByIndex(field.Index).IsZero() {
			t.Errorf("%s: got no value after an import that has every column, want one", field.Name)
		}
	}
}

func TestSameDecision(t *testing.T) {
	t.Parallel()
	for field := range reflect.TypeFor[schema.Mapping]().Fields() {
		words := strings.Split(field.Tag.Get("column"), ",")
		if words[0] == "" {
			continue
		}
		t.Run(field.Name, func(t *testing.T) {
			t.Parallel()
			var other schema.Mapping
			value := reflect.ValueOf(filled(t, schema.Mapping{}, words[0])).FieldByIndex(field.Index)
			reflect.ValueOf(&other).Elem().FieldByIndex(field.Index).Set(value)
			if got, want := (schema.Mapping{}).SameDecision(other), !slices.Contains(words, "decision"); got != want {
				t.Errorf("SameDecision: got %t, want %t", got, want)
			}
		})
	}
}

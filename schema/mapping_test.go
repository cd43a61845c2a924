package schema_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// varied returns a database with a report of n mappings that have many equal and some missing values.
func varied(t *testing.T, n int) *schema.DB {
	t.Helper()
	db := schematest.New(t)
	data := schema.ReportData{Columns: columns(column("Loans", "BAL"), column("Loans", "FLG"))}
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"balance", "Balance", "50% of a Balance_due", "État", "Ärger", "zinc"}
	data.Attributes.All = func(yield func(schema.Attribute) bool) {
		for i := range n {
			name := names[random.IntN(len(names))]
			if !yield(
				schema.Attribute{AttributeName: name, LineItemNumber: fmt.Sprint(i), MDRM: fmt.Sprint("M", i%7)},
			) {
				return
			}
		}
	}
	loaded(t, db, data)
	_, err := db.ExecContext(t.Context(), `update pde_mappings m set
		source_field = (array[null, 'svc.LOANS.BAL', 'svc.LOANS.FLG'])[1 + r.a % 3],
		confidence_score = case when r.a % 4 > 0 then r.b % 101 end,
		classification_confidence = case when r.b % 4 > 0 then r.a % 5 * 25 end,
		information_security_classification = (array[null, 'HRCI', 'Confidential', 'Proprietary',
			'Public'])[1 + r.b % 5],
		criticality = (array[null, 'High', 'Medium', 'Low'])[1 + r.a % 4],
		review_status = (array['pending', 'approved', 'rejected', 'needs_revision'])[1 + r.b % 4],
		reviewed_by = case when r.b % 4 > 0 then 'mia' end, reviewed_at = case when r.b % 4 > 0 then now() end,
		updated_at = '2026-11-24 07:00:00.000001Z'::timestamptz + r.a % 9 * interval '1 microsecond'
		from (select id, abs(hashtext(id || 'a')) as a, abs(hashtext(id || 'b')) as b from pde_mappings) r
			where r.id = m.id`)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func idsOf(mappings []schema.ListedMapping) []string {
	ids := make([]string, len(mappings))
	for i, m := range mappings {
		ids[i] = m.ID
	}
	return ids
}

// found returns the first mappings of the list.
func found(t *testing.T, db *schema.DB, filter schema.MappingFilter, limit int) []schema.ListedMapping {
	t.Helper()
	filter.CycleID, filter.ReportID = "c", "r"
	mappings, _, err := schema.ListMappings(t.Context(), db, filter, schema.MappingPosition{}, limit)
	if err != nil {
		t.Fatal(err)
	}
	return mappings
}

// pagesOf returns the ids of the mappings of the whole list, which it reads in pages.
func pagesOf(t *testing.T, db *schema.DB, filter schema.MappingFilter, limit int) (ids []string) {
	t.Helper()
	for next := new(schema.MappingPosition); next != nil; {
		page, after, err := schema.ListMappings(t.Context(), db, filter, *next, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > limit || after != nil && *after == *next {
			t.Fatalf("page after %v: got %d mappings and next %v, want at most %d and another next",
				next, len(page), after, limit)
		}
		ids, next = append(ids, idsOf(page)...), after
	}
	return ids
}

func TestListMappings_PagesAreTheWholeList(t *testing.T) {
	t.Parallel()
	const n = 60
	db := varied(t, n)
	for _, sort := range schema.MappingSorts() {
		for _, descending := range []bool{false, true} {
			filter := schema.MappingFilter{Sort: sort, Descending: descending}
			whole := found(t, db, filter, n+1)
			if len(whole) != n {
				t.Fatalf("%s: got %d mappings, want %d", sort, len(whole), n)
			}
			for _, limit := range []int{1, 7} {
				filter.CycleID, filter.ReportID = "c", "r"
				got := pagesOf(t, db, filter, limit)
				if diff := cmp.Diff(idsOf(whole), got); diff != "" {
					t.Errorf("%s, descending %v: pages of %d differ from the list (-list +pages):\n%s",
						sort, descending, limit, diff)
				}
			}
		}
	}
}

func TestListMappings_ReversesADescendingSort(t *testing.T) {
	t.Parallel()
	db := varied(t, 40)
	for _, sort := range schema.MappingSorts() {
		up := idsOf(found(t, db, schema.MappingFilter{Sort: sort}, 100))
		down := idsOf(found(t, db, schema.MappingFilter{Sort: sort, Descending: true}, 100))
		slices.Reverse(down)
		if diff := cmp.Diff(up, down); diff != "" {
			t.Errorf("%s: (-ascending +descending reversed):\n%s", sort, diff)
		}
	}
}

func TestListMappings_SortsByValue(t *testing.T) {
	t.Parallel()
	db := varied(t, 60)
	by := func(sort schema.MappingSort, compare func(a, b schema.ListedMapping) int) {
		mappings := found(t, db, schema.MappingFilter{Sort: sort}, 100)
		if !slices.IsSortedFunc(mappings, compare) {
			t.Errorf("got mappings in another order, want them sorted by %s", sort)
		}
	}
	number := func(n *int) int {
		if n == nil {
			return -1
		}
		return *n
	}
	tiers := append(schema.Tiers(), "") // from the most to the least protected
	levels := append(schema.Levels(), "")
	by(schema.MappingSortAttributeName, func(a, b schema.ListedMapping) int {
		return strings.Compare(strings.ToLower(a.AttributeName), strings.ToLower(b.AttributeName))
	})
	by(
		schema.MappingSortConfidence,
		func(a, b schema.ListedMapping) int { return number(a.ConfidenceScore) - number(b.ConfidenceScore) },
	)
	by(schema.MappingSortClassificationConfidence, func(a, b schema.ListedMapping) int {
		return number(a.ClassificationConfidence) - number(b.ClassificationConfidence)
	})
	by(schema.MappingSortClassification, func(a, b schema.ListedMapping) int {
		return slices.Index(
			tiers, b.InformationSecurityClassification,
		) - slices.Index(tiers, a.InformationSecurityClassification)
	})
	by(schema.MappingSortCriticality, func(a, b schema.ListedMapping) int {
		return slices.Index(levels, b.Criticality) - slices.Index(levels, a.Criticality)
	})
	by(schema.MappingSortReviewStatus, func(a, b schema.ListedMapping) int {
		return slices.Index(
			schema.ReviewStatuses(), a.ReviewStatus,
		) - slices.Index(schema.ReviewStatuses(), b.ReviewStatus)
	})
	by(schema.MappingSortUpdatedAt, func(a, b schema.ListedMapping) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	by(
		schema.MappingSortSourceField,
		func(a, b schema.ListedMapping) int { return strings.Compare(a.SourceField, b.SourceField) },
	)
}

func TestListMappings_ReturnsTheMappingsThatPassTheFilter(t *testing.T) {
	t.Parallel()
	db := varied(t, 80)
	all := found(t, db, schema.MappingFilter{}, 100)
	yes, no, low, high := true, false, 20, 70
	has := func(m schema.ListedMapping, text string) bool {
		return strings.Contains(strings.ToLower(m.AttributeName+"\n"+m.SourceField), text)
	}
	for name, c := range map[string]struct {
		filter schema.MappingFilter
		keep   func(schema.ListedMapping) bool
	}{
		"attribute": {
			schema.MappingFilter{Search: "BALANCE"}, func(m schema.ListedMapping) bool { return has(m, "balance") },
		},
		"column": {
			schema.MappingFilter{Search: "loans.flg"}, func(m schema.ListedMapping) bool { return has(m, "loans.flg") },
		},
		"percent": {schema.MappingFilter{Search: "0%"}, func(m schema.ListedMapping) bool { return has(m, "0%") }},
		"underscore": {
			schema.MappingFilter{Search: "e_d"}, func(m schema.ListedMapping) bool { return has(m, "e_d") },
		},
		"accents": {
			schema.MappingFilter{Search: "État"}, func(m schema.ListedMapping) bool { return has(m, "état") },
		},
		"quote": {schema.MappingFilter{Search: `'"\`}, func(schema.ListedMapping) bool { return false }},
		"tier": {
			schema.MappingFilter{InformationSecurityClassification: schema.TierHRCI},
			func(m schema.ListedMapping) bool { return m.InformationSecurityClassification == schema.TierHRCI },
		},
		"criticality": {
			schema.MappingFilter{Criticality: schema.LevelLow},
			func(m schema.ListedMapping) bool { return m.Criticality == schema.LevelLow },
		},
		"review": {
			schema.MappingFilter{ReviewStatus: schema.ReviewStatusApproved},
			func(m schema.ListedMapping) bool { return m.ReviewStatus == schema.ReviewStatusApproved },
		},
		"unmapped": {
			schema.MappingFilter{Unmapped: &yes}, func(m schema.ListedMapping) bool { return m.SourceField == "" },
		},
		"mapped": {
			schema.MappingFilter{Unmapped: &no}, func(m schema.ListedMapping) bool { return m.SourceField != "" },
		},
		"at least": {
			schema.MappingFilter{MinConfidence: &low},
			func(m schema.ListedMapping) bool { return m.ConfidenceScore != nil && *m.ConfidenceScore >= 20 },
		},
		"at most": {
			schema.MappingFilter{MaxConfidence: &high},
			func(m schema.ListedMapping) bool { return m.ConfidenceScore != nil && *m.ConfidenceScore <= 70 },
		},
		"all at a time": {schema.MappingFilter{
			Search: "l", Unmapped: &no, MaxConfidence: &high,
		}, func(m schema.ListedMapping) bool {
			return has(m, "l") && m.SourceField != "" && m.ConfidenceScore != nil && *m.ConfidenceScore <= 70
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want := []string{}
			for _, m := range all {
				if c.keep(m) {
					want = append(want, m.ID)
				}
			}
			if len(want) == 0 && name != "quote" {
				t.Errorf("%s: got no mapping that matches, want one", name)
			}
			if diff := cmp.Diff(want, idsOf(found(t, db, c.filter, 100))); diff != "" {
				t.Errorf("%s: (-want +got):\n%s", name, diff)
			}
		})
	}
}

func TestListMappings_SearchesTheMDRMCode(t *testing.T) {
	t.Parallel()
	db := varied(t, 30)
	if got := found(t, db, schema.MappingFilter{Search: "m6"}, 100); len(got) != 4 {
		t.Errorf("mappings with MDRM M6: got %d, want 4", len(got))
	}
}

func TestListReports_CountsMappings(t *testing.T) {
	t.Parallel()
	db := varied(t, 50)
	schematest.Report(t, db, 3)

	reports, err := schema.ListReports(t.Context(), db, "", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(reports) != 2 || reports[0].ReportID != schematest.ReportID || reports[1].ReportID != "r" {
		t.Fatalf("reports: got %+v, want %s and r", reports, schematest.ReportID)
	}
	if first := reports[0]; first.Unclassified != 3 || first.Pending != 3 || first.HRCI+first.Approved != 0 {
		t.Errorf("%s: got %+v, want 3 unclassified and 3 pending", first.ReportID, first)
	}
	tiers, reviews := map[schema.Tier]int64{}, map[schema.ReviewStatus]int64{}
	for _, m := range found(t, db, schema.MappingFilter{}, 100) {
		tiers[m.InformationSecurityClassification]++
		reviews[m.ReviewStatus]++
	}
	second := reports[1]
	got := []int64{
		second.HRCI, second.Confidential, second.Proprietary, second.Public, second.Unclassified,
		second.Pending, second.Approved, second.Rejected, second.NeedsRevision,
	}
	want := []int64{
		tiers[schema.TierHRCI], tiers[schema.TierConfidential], tiers[schema.TierProprietary],
		tiers[schema.TierPublic], tiers[""],
		reviews[schema.ReviewStatusPending], reviews[schema.ReviewStatusApproved],
		reviews[schema.ReviewStatusRejected], reviews[schema.ReviewStatusNeedsRevision],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts of the mappings differ (-want +got):\n%s", diff)
	}
	rest, err := schema.ListReports(t.Context(), db, reports[0].CycleID, reports[0].ReportID, 10)
	if err != nil || len(rest) != 1 || rest[0].ReportID != "r" {
		t.Errorf("after the first: got %+v (%v), want the report r", rest, err)
	}
	page, err := schema.ListReports(t.Context(), db, "", "", 1)
	if err != nil || len(page) != 1 || page[0].Pending != 3 {
		t.Errorf("page of one: got %+v (%v), want 3 pending", page, err)
	}
}

func TestListDataSources_CountsColumns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	sources, err := schema.ListDataSources(t.Context(), db, "c", "r", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 2 || sources[0].Name != "Loans" || sources[0].ColumnCount != 2 ||
		sources[1].Name != "Bureau" || sources[1].ColumnCount != 1 {
		t.Errorf("data sources: got %+v, want Loans with 2 columns and Bureau with 1", sources)
	}
	rest, err := schema.ListDataSources(t.Context(), db, "c", "r", sources[0].ID, 10)
	if err != nil || len(rest) != 1 || rest[0].ID != sources[1].ID {
		t.Errorf("after the first: got %+v (%v), want Bureau", rest, err)
	}
	exec(t, db, "delete from source_columns where column_name = (select min(column_name) from source_columns "+
		"where data_source_id = ?)",
		sources[0].ID)
	if source, err := schema.GetDataSource(
		t.Context(), db, "c", "r", sources[0].ID,
	); err != nil || source.ColumnCount != 1 {
		t.Errorf("after one of two columns was removed: got %d columns, want 1 (%v)", source.ColumnCount, err)
	}
}

func TestListHistory_ReturnsPagesNewestFirst(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	for _, steward := range []string{"Ann", "Ben", "Cy"} {
		loaded(
			t,
			db,
			schema.ReportData{
				Author:   steward,
				Mappings: slices.Values([]schema.MappingRow{{Line: 2, LineItemNumber: "1", DataSteward: steward}}),
			},
		)
	}
	id := mappingOf(t, db, "item:1").ID
	first, err := schema.ListHistory(t.Context(), db, id, schema.History{}.ChangedAt, "", 2)
	if err != nil || len(first) != 2 {
		t.Fatalf("changes: got %d (%v), want 2", len(first), err)
	}
	rest, err := schema.ListHistory(t.Context(), db, id, first[1].ChangedAt, first[1].ID, 2)
	if err != nil || len(rest) != 1 {
		t.Fatalf("changes after the first two: got %d, want 1 (%v)", len(rest), err)
	}
	if got := []string{
		first[0].ChangedBy, first[1].ChangedBy, rest[0].ChangedBy,
	}; !slices.Equal(got, []string{"Cy", "Ben", "Ann"}) {
		t.Errorf("changed by: got %v, want Cy, Ben, Ann", got)
	}
}

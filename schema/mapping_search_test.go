package schema_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// searchAlphabet has the characters that patterns, literals, letter case and word forms treat in their own way.
var searchAlphabet = []rune("aAbB1 %_\\'\"?/.-ßẞİıIiKΣσςÉée\u0301名中😀\u200d\t")

func randomText(r *rand.Rand, length int) string {
	var b strings.Builder
	for range length {
		b.WriteRune(searchAlphabet[r.IntN(len(searchAlphabet))])
	}
	return b.String()
}

func TestASearchFindsWhatTheWholeReportContains(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 60)
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{
		"Loan",
		"loan balance",
		"DEALER",
		"zzz",
		"z",
		"\\",
		"%",
		"_",
		"a%b",
		"?0",
		"'",
		"''",
		"x\ny",
		"\n",
		"σ",
		"ΟΔΟΣ",
		"İ",
	}
	for i, id := range ids {
		name, item := "ΟΔΟΣ "+randomText(r, 20), randomText(r, 5)
		if _, err := db.ExecContext(t.Context(), `update attributes set attribute_name = ?,
			technical_line_item_name = ?, mdrm = ?
			where id = (select attribute_id from pde_mappings where id = ?)`,
			name, item, randomText(r, 2), id); err != nil {
			t.Fatal(err)
		}
		element, field := randomText(r, 8), strings.Repeat("long.", i%3*50)+randomText(r, 8)
		if _, err := db.ExecContext(t.Context(), `update pde_mappings set pde_name = nullif(?, ''),
			source_field = nullif(?, '') where id = ?`,
			element[:len(element)*min(i%4, 1)], field[:len(field)*min(i%3, 1)], id); err != nil {
			t.Fatal(err)
		}
		further := randomText(r, 6)
		if i%4 == 1 {
			exec(t, db, `update pde_mappings set source_fields = jsonb_build_array(source_field, ?::text, 'b.c.d'),
				mapping_type = 'calculated', transformation_rule = 'a sum' where id = ? and source_field is not null`,
				further, id)
		}
		for _, text := range []string{name, []string{item, element, field, further}[i%4]} {
			runes := []rune(text)
			first := r.IntN(len(runes))
			texts = append(texts, string(runes[first:min(len(runes), first+1+r.IntN(5))]))
		}
		texts = append(texts, randomText(r, 1+r.IntN(3)))
	}
	for _, text := range texts {
		if text == "" {
			continue
		}
		var want, got []string
		pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
		if err := db.NewRaw(`select m.id from pde_mappings m join attributes a on a.id = m.attribute_id
			where concat_ws(e'\n', a.attribute_name, a.line_item_number, a.technical_line_item_name, a.mdrm,
				m.pde_name, m.source_field,
				(select string_agg(f, e'\n') from jsonb_array_elements_text(m.source_fields) f)) ilike ?
			order by m.id`, pattern).Scan(t.Context(), &want); err != nil {
			t.Fatal(err)
		}
		filter := schema.MappingFilter{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, Search: text, Sort: schema.MappingSortID,
		}
		page, _, err := schema.ListMappings(t.Context(), db, filter, schema.MappingPosition{}, len(ids)+1)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			got = append(got, m.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("search for %q (-want +got):\n%s", text, diff)
		}
	}
}

// If many mappings match, and none of the next ones in the order of the list, a page is short.
func TestListMappings_ReturnsAShortPageBeforeItReadsTheReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 9600)
	exec(t, db, `update attributes a set attribute_name = 'tail ' || right(m.id, 4)
		from pde_mappings m where a.id = m.attribute_id and m.id >= ?`, ids[4500])
	exec(t, db, `update pde_mappings set confidence_score = case when id >= ? then 90 else 10 end`, ids[4500])
	ninety := 90
	for name, filter := range map[string]schema.MappingFilter{
		"search":     {Search: "tail"},
		"confidence": {MinConfidence: &ninety},
		"by tier":    {MinConfidence: &ninety, Sort: schema.MappingSortClassification},
	} {
		t.Run(name, func(t *testing.T) {
			filter.CycleID, filter.ReportID = schematest.CycleID, schematest.ReportID
			page, next, err := schema.ListMappings(t.Context(), db, filter, schema.MappingPosition{}, 500)
			if err != nil || len(page) > 0 || next == nil {
				t.Errorf("first page: got %d mappings, next %v, %v, want none and a next page", len(page), next, err)
			}
			if diff := cmp.Diff(ids[4500:], pagesOf(t, db, filter, 500)); diff != "" {
				t.Errorf("all pages (-want +got):\n%s", diff)
			}
		})
	}
}

// A search reads a number of mappings that does not depend on the size of the report, and those that match.
func TestASearchIsAnsweredWithoutReadingTheReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	for _, table := range []string{"pde_mappings", "attributes", "mapped_elements"} {
		exec(t, db, "alter table "+table+" set (autovacuum_enabled = off)")
	}
	ids := schematest.Report(t, db, 10000)
	for i, change := range []string{
		"update attributes set attribute_name = 'Zebra ~ count' where id = (select attribute_id from " +
			"pde_mappings where id = ?)",
		"update pde_mappings set source_field = 'a.b.LONG_FIELD' where id = ?",
		"update pde_mappings set pde_name = 'Bare element' where id = ?",
		`update pde_mappings set source_field = 'a.b.FIRST', source_fields = '["a.b.FIRST", "a.b.FURTHER_FIELD"]',
			mapping_type = 'calculated', transformation_rule = 'a sum' where id = ?`,
	} {
		if _, err := db.ExecContext(t.Context(), change, ids[len(ids)-i-1]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "vacuum (analyze) pde_mappings, attributes, mapped_elements"); err != nil {
		t.Fatal(err)
	}
	for text, found := range map[string]int{
		"no such text": 0, "zebra": 1, "~": 1, "long_field": 1, "further_field": 1, "bare element": 1, "#": 0, "zq": 0,
		"borrower": 50,
	} {
		for _, sort := range []schema.MappingSort{
			schema.MappingSortID, schema.MappingSortAttributeName, schema.MappingSortUpdatedAt,
		} {
			filter := schema.MappingFilter{
				CycleID: schematest.CycleID, ReportID: schematest.ReportID, Search: text, Sort: sort,
			}
			var page []schema.ListedMapping
			read, err := countReads(t.Context(), db, func(ctx context.Context, tx bun.Tx) (err error) {
				page, _, err = schema.ListMappings(ctx, tx, filter, schema.MappingPosition{}, 50)
				return err
			})
			most := reads{Rows: 9000, Blocks: 18500}
			if err != nil || len(page) != found || read.Rows > most.Rows || read.Blocks > most.Blocks {
				t.Errorf("%q by %s: got %d mappings, want %d; got reads %+v, want at most %+v (%v)",
					text, sort, len(page), found, read, most, err)
			}
		}
	}
}

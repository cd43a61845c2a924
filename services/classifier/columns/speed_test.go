package columns

import (
	"runtime"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

// manyColumns returns n columns with the names of the banks of testdata, in tables of different names, and the banks'
// attributes.
func manyColumns(tb testing.TB, n int) (columns []schema.SourceColumn, attributes []schema.Attribute) {
	tb.Helper()
	var candidates []schema.SourceColumn
	for _, b := range banks(tb) {
		candidates = append(candidates, b.candidates...)
		for _, g := range b.gold {
			attributes = append(attributes, g.attribute)
		}
	}
	columns = make([]schema.SourceColumn, n)
	for i := range columns {
		columns[i] = candidates[i%len(candidates)]
		if copies := i / len(candidates); copies > 0 {
			columns[i].TableName += "_" + string(rune('A'+copies%26)) + string(rune('A'+copies/26))
		}
	}
	return columns, attributes
}

// BenchmarkReport ranks all attributes of a report, with the index and the evidence of the whole report.
func BenchmarkReport(b *testing.B) {
	for _, bench := range []struct {
		name                string
		attributes, columns int
	}{{"118x610", 118, 610}, {"1000x100000", 1000, 100_000}} {
		b.Run(bench.name, func(b *testing.B) {
			columns, some := manyColumns(b, bench.columns)
			attributes := make([]schema.Attribute, bench.attributes)
			for i := range attributes {
				attributes[i] = some[i%len(some)]
			}
			for b.Loop() {
				report := NewIndex(columns).Report(attributes)
				for _, a := range attributes {
					report.Rank(a)
				}
			}
		})
	}
}

// BenchmarkNewIndex also reports the memory of an index of 100,000 columns.
func BenchmarkNewIndex(b *testing.B) {
	columns, _ := manyColumns(b, 100_000)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		ix := NewIndex(columns)
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		runtime.KeepAlive(ix)
	}
}

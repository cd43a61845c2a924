package sample_test

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/schema"
)

func ExampleGenerate() {
	place := 0
	for a := range sample.Generate(100_000) {
		if place%40_000 == 1 {
			fmt.Println(a.LineItemNumber, a.AttributeName)
			fmt.Println(strings.ReplaceAll(a.Description, ". ", ".\n"))
		}
		place++
	}
	// Output:
	// 1.52.001 Total Past Due
	// Minimum payments of earlier cycles that were still unpaid when this cycle closed.
	// 14.77.014 Variable Rate Index
	// Published benchmark to which the purchase rate is tied, or zero for a fixed rate.
	// Infinite, East North Central, Mass Market only.
	// 3.101.028 Skip-a-payment
	// Shows that the cardholder took up an offer this month to leave out one payment.
	// Aurora, West South Central, Affluent only.
}

func TestGenerate_YieldsTheRequestedNumber(t *testing.T) {
	t.Parallel()
	for _, n := range []int{-1, 0, 1, 117, 118, 119, 10_000} {
		if got := len(slices.Collect(sample.Generate(n))); got != max(n, 0) {
			t.Errorf("got %d attributes, want %d", got, n)
		}
	}
}

func TestGenerate_YieldsDifferentAttributes(t *testing.T) {
	t.Parallel()
	const n = 300_000 // beyond every programme, region and clientele, into the vintages
	seed := maphash.MakeSeed()
	seen := map[string]map[uint64]bool{"identity": {}, "description": {}}
	for a := range sample.Generate(n) {
		if a.Identity == "" || a.Identity != a.LineItemNumber {
			t.Fatalf("identity: got %q, line item number %q", a.Identity, a.LineItemNumber)
		}
		for what, value := range map[string]string{"identity": a.Identity, "description": a.Description} {
			hash := maphash.String(seed, value)
			if seen[what][hash] {
				t.Fatalf("%s %q twice", what, value)
			}
			seen[what][hash] = true
		}
	}
	if len(seen["identity"]) != n {
		t.Errorf("got %d identities, want %d", len(seen["identity"]), n)
	}
}

func TestGenerate_BeginsTheSameForEverySize(t *testing.T) {
	t.Parallel()
	small, large := slices.Collect(sample.Generate(1000)), slices.Collect(sample.Generate(10_000))
	if !slices.Equal(small, large[:1000]) {
		t.Error("got attributes that depend on the size of the report")
	}
	if !slices.Equal(large, slices.Collect(sample.Generate(10_000))) {
		t.Error("second run differs from the first")
	}
}

func TestGenerate_IsAsVariedAsTheSample(t *testing.T) {
	t.Parallel()
	const n = 10_000
	originals := make(map[string]schema.Attribute)
	for _, r := range table(t, sample.Attributes()) {
		originals[r["line_item_number"]] = schema.Attribute{
			AttributeName: r["attribute_name"], Description: r["description"], DataType: r["data_type"],
			MDRM:            r["mdrm"],
			ValidationRules: r["validation_rules"], TechnicalLineItemName: r["technical_line_item_name"],
			IsMandatory: r["is_mandatory"] == "true", IsCDE: r["is_cde"] == "true",
			IsPrimaryKey: r["is_primary_key"] == "true",
		}
	}
	uses := make(map[string]int)
	issues := 0
	for a := range sample.Generate(n) {
		line := strings.Split(a.LineItemNumber, ".")[1]
		o := originals[line]
		uses[line]++
		if a.HasIssues {
			issues++
		}
		if !strings.HasPrefix(a.Description, o.Description) {
			t.Fatalf("line %s: got %q, want a name from %q", a.LineItemNumber, a.Description, o.Description)
		}
		a.Description = o.Description
		a.Identity, a.LineItemNumber, a.HasIssues = "", "", false
		if a != o {
			t.Fatalf("line %s: got %+v, want %+v", line, a, o)
		}
	}
	if len(uses) != len(originals) {
		t.Errorf("got %d of the sample's attributes, want %d", len(uses), len(originals))
	}
	for line, used := range uses {
		if want := n / len(originals); used < want || used > want+1 {
			t.Errorf("line %s: got %d uses, want %d or one more", line, used, want)
		}
	}
	if issues < n/24 || issues > n/6 {
		t.Errorf("got %d of %d with issues, want about one in twelve", issues, n)
	}
}

func TestGenerate_MixesTiersInASmallReport(t *testing.T) {
	t.Parallel()
	tiers := make(map[string]string)
	for _, label := range gold(t) {
		tiers[label["line_item_number"]] = answers(t, label, "information_security_classification")[0]
	}
	seen := make(map[string]bool)
	for a := range sample.Generate(20) {
		seen[tiers[strings.Split(a.LineItemNumber, ".")[1]]] = true
	}
	if len(seen) != len(schema.Tiers()) {
		t.Errorf("got tiers %v in twenty attributes, want more", seen)
	}
}

func TestGenerate_StopsWithItsConsumer(t *testing.T) {
	t.Parallel()
	n := 0
	for range sample.Generate(1 << 40) {
		if n++; n == 500 {
			break
		}
	}
	if n != 500 {
		t.Errorf("got %d attributes, want 500", n)
	}
}

func TestGenerate_KeepsNothing(t *testing.T) { // not parallel: it measures the whole process
	var early, late uint64
	n := 0
	for range sample.Generate(200_000) {
		switch n++; n {
		case 1000:
			early = heap()
		case 200_000:
			late = heap()
		}
	}
	if late > early+1<<20 {
		t.Errorf("got %d bytes after 200,000 attributes and %d after 1,000", late, early)
	}
}

// heap returns the size of the live heap.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkGenerate(b *testing.B) {
	for range sample.Generate(b.N) {
	}
}

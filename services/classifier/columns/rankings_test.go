package columns

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
)

// TestRankings_Golden compares the complete rankings of known attributes with a golden file: a refactoring
// must not change them, and a change of the weights shows all its effects.
func TestRankings_Golden(t *testing.T) {
	t.Parallel()
	for _, b := range banks(t) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			ix := NewIndex(b.candidates)
			for _, g := range b.gold {
				writeRanking(&got, g.attribute, ix.Rank(g.attribute))
			}
			classifiertest.CompareGolden(t, filepath.Join("testdata", b.name+".golden"), got.String())
		})
	}
}

// TestRankings_GoldenOfGeneratedNames ranks generated names among the columns of all banks. The golden file
// has the choice and a digest of the texts.
func TestRankings_GoldenOfGeneratedNames(t *testing.T) {
	t.Parallel()
	var candidates []schema.SourceColumn
	for _, b := range banks(t) {
		candidates = append(candidates, b.candidates...)
	}
	ix := NewIndex(candidates)
	var got bytes.Buffer
	for _, a := range generatedAttributes() {
		r := ix.Rank(a)
		var text bytes.Buffer
		writeRanking(&text, a, r)
		sum := sha256.Sum256(text.Bytes())
		digest := hex.EncodeToString(sum[:4])
		fmt.Fprintf(&got, "%s, %s: %s %d %d %s\n",
			a.AttributeName, a.DataType, r.SourceField, r.Confidence, r.Margin, digest)
	}
	classifiertest.CompareGolden(t, "testdata/generated.golden", got.String())
}

// generatedAttributes returns attributes for every combination of a qualifier, a thing and a property, named
// in the styles of forms and of systems.
func generatedAttributes() []schema.Attribute {
	things := []string{
		"Account", "Loan", "Borrower", "Co-Borrower", "Collateral", "Property", "Late Fee", "Credit Limit",
		"Principal", "Interest", "Charge-off", "Facility", "Deposit", "Student", "Vehicle", "CURR_LN", "ORIG_PMT",
		"Payment due in the last cycle",
	}
	asked := []struct{ word, dataType, technical, description string }{
		{"Balance", "N12.2", "", ""},
		{"Date", "Date YYYYMMDD", "DT", "Date on which it happened"},
		{"Status Code", "C2", "", "State of it at the end of the month"},
		{"Identifier", "C18", "Id", ""},
		{"Rate", "N6.3", "", "Interest rate in percent"},
		{"Flag", "N1", "Ind", ""},
		{"Name", "C40", "", ""},
		{"Score", "N3", "FICO", ""},
		{"Number of Days", "", "", ""},
	}
	var all []schema.Attribute
	for _, qualifier := range []string{"", "Original ", "Current ", "Month-end "} {
		for _, thing := range things {
			for _, a := range asked {
				all = append(all, schema.Attribute{
					AttributeName: qualifier + thing + " " + a.word, DataType: a.dataType,
					TechnicalLineItemName: a.technical, Description: a.description,
				})
			}
		}
	}
	return all
}

func writeRanking(b *bytes.Buffer, a schema.Attribute, r Ranking) {
	fmt.Fprintf(b, "%s, %s\n", a.AttributeName, a.DataType)
	fmt.Fprintf(b, "  %s, column %d, %s, confidence %d, margin %d\n",
		orNothing(r.SourceField), r.Column, r.MappingType, r.Confidence, r.Margin)
	fmt.Fprintf(b, "  %s\n", r.Rationale)
	for _, alternative := range r.Alternatives {
		fmt.Fprintf(b, "  %d %s: %s\n", alternative.Score, alternative.SourceField, alternative.Reason)
	}
}

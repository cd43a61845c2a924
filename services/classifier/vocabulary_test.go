package classifier

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// TestAVocabularyLearnedFromOneReportHelpsTheNext maps and classifies a second report with the words that the
// confirmed mappings of a first report show.
func TestAVocabularyLearnedFromOneReportHelpsTheNext(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	for _, p := range (*words.Vocabulary)(nil).Learn([]words.Pair{
		{Attribute: "Borrower Name", Column: "QRX_NM"},
		{Attribute: "Borrower State", Column: "QRX_ST_CD"},
		{Attribute: "Outstanding Balance", Column: "OTSDG_BAL_AMT"},
	}) {
		fmt.Fprintf(&file, "%s: %s\n", p.Text, p.Words)
	}
	vocabulary, err := words.ParseVocabulary("learned", []byte(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	var columns []schema.SourceColumn
	for _, name := range strings.Fields("QRX_CITY ZRT_CITY QRX_BRTH_DT ZRT_BRTH_DT OTSDG_PRIN_AMT ORIG_PRIN_AMT") {
		columns = append(columns, schema.SourceColumn{
			DataSourceID: "core", SchemaName: "svc", TableName: "LN_MSTR", ColumnName: name, DataType: "VARCHAR(40)",
		})
	}
	for _, tt := range []struct{ attribute, column string }{
		{"Borrower City", "svc.LN_MSTR.QRX_CITY"},
		{"Borrower Date of Birth", "svc.LN_MSTR.QRX_BRTH_DT"},
		{"Outstanding Principal", "svc.LN_MSTR.OTSDG_PRIN_AMT"},
	} {
		t.Run(tt.attribute, func(t *testing.T) {
			t.Parallel()
			work := schema.Work{
				JobType: schema.JobTypePDERegeneration, Attribute: schema.Attribute{AttributeName: tt.attribute},
			}
			before, _ := evaluate(defaultEngine(), candidatesOf("second", nil, columns), work)
			after, _ := evaluate(defaultEngine().WithVocabulary(vocabulary),
				candidatesOf("second", vocabulary, columns), work)
			if after.SourceField != tt.column || *after.ConfidenceScore <= *before.ConfidenceScore {
				t.Errorf("got %q with confidence %d, want %q with more than the %d of %q without the vocabulary",
					after.SourceField, *after.ConfidenceScore, tt.column, *before.ConfidenceScore, before.SourceField)
			}
			const why = "The organisation's vocabulary reads "
			if !strings.Contains(after.MappingRationale, why) || strings.Contains(before.MappingRationale, why) {
				t.Errorf("rationale: got %q with the vocabulary and %q without it, want the words with it only",
					after.MappingRationale, before.MappingRationale)
			}
		})
	}
}

func TestAVocabularyExplainsAClassification(t *testing.T) {
	t.Parallel()
	vocabulary, err := words.ParseVocabulary("ours", []byte("qrx: borrower\nqssn: social security number\n"))
	if err != nil {
		t.Fatal(err)
	}
	work := schema.Work{
		JobType: schema.JobTypePDEClassification, Attribute: schema.Attribute{AttributeName: "QRX_QSSN"},
	}
	before, _ := evaluate(defaultEngine(), candidatesOf("r", nil, nil), work)
	work.Mapping = before // a new vocabulary is a reason to classify again
	after, _ := evaluate(defaultEngine().WithVocabulary(vocabulary), candidatesOf("r", vocabulary, nil), work)
	if before.InformationSecurityClassification == schema.TierHRCI {
		t.Error("got HRCI without the vocabulary")
	}
	const want = `The organisation's vocabulary reads "QRX" as "borrower", "QSSN" as "social security number".`
	if got := after.ClassificationRationale; after.InformationSecurityClassification != schema.TierHRCI ||
		!strings.Contains(got, want) {
		t.Errorf("got %s because %q, want HRCI because %q", after.InformationSecurityClassification, got, want)
	}
}

package sample

import (
	"encoding/csv"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Generate yields the n attributes of a report of that size: the sample's, again and again for other parts of the card business. Every
// run of 118 holds each of the sample's attributes once, in an order that mixes them, so that a report of any size is about as varied and
// as difficult as the sample. The candidates to map them to are the sample's [Columns].
//
// An attribute depends on its place only, so that a report of a hundred begins as one of a million does. Identity, line item number, name,
// description and technical name are each unique. Ids, the report and the audit fields are the caller's to set.
//
// It keeps nothing of what it has yielded.
func Generate(n int) iter.Seq[schema.Attribute] {
	return func(yield func(schema.Attribute) bool) {
		base := attributes()
		for i := 0; i < n; {
			part := partAt(i / len(base))
			for range min(len(base), n-i) {
				if !yield(part.attribute(base[i*stride%len(base)], i)) {
					return
				}
				i++
			}
		}
	}
}

// stride has no divisor in common with the 118 attributes, so that its multiples visit each once before any again. It brings neighbours
// on the form, which resemble one another, far apart.
const stride = 47

// part is a part of the card business, reported by itself: a programme's accounts in a region, of one clientele, of one vintage.
type part struct {
	programme int
	// line is the number of the part within its programme.
	line int
	// words and code qualify a name; both are empty for the whole business.
	words, code string
}

// quality is one value of what parts differ in. The first of each list stands for all.
type quality struct{ words, code string }

// The words are chosen so as to say nothing about an attribute's sensitivity or source: no places that are addresses, no kinds of product
// that rules know, no channels.
func programmes() []quality {
	return []quality{
		{},
		{"Classic", "CLA"},
		{"Aurora", "AUR"},
		{"Beacon", "BEA"},
		{"Cedar", "CED"},
		{"Compass", "COM"},
		{"Crescent", "CRE"},
		{"Evergreen", "EVE"},
		{"Everyday", "EDY"},
		{"Gold", "GLD"},
		{"Harbor", "HAR"},
		{"Heritage", "HER"},
		{"Horizon", "HOR"},
		{"Infinite", "INF"},
		{"Journey", "JOU"},
		{"Meridian", "MER"},
		{"Northstar", "NST"},
		{"Pinnacle", "PIN"},
		{"Platinum", "PLA"},
		{"Signature", "SIG"},
		{"Skyline", "SKY"},
		{"Summit", "SUM"},
		{"Titanium", "TIT"},
		{"Voyager", "VOY"},
	}
}

func regions() []quality {
	return []quality{
		{},
		{"New England", "NEN"},
		{"Middle Atlantic", "MAT"},
		{"East North Central", "ENC"},
		{"West North Central", "WNC"},
		{"South Atlantic", "SAT"},
		{"East South Central", "ESC"},
		{"West South Central", "WSC"},
		{"Mountain", "MTN"},
		{"Pacific", "PAC"},
	}
}

func clienteles() []quality {
	return []quality{{}, {"Mass Market", "MAS"}, {"Affluent", "AFF"}, {"Wealth", "WEA"}, {"Core", "COR"}}
}

// vintage counts years back without end, which makes room for reports of any size.
func vintage(back int) quality {
	if back == 0 {
		return quality{}
	}
	const latest = 2026
	year := strconv.Itoa(latest + 1 - back)
	return quality{year + " Vintage", "V" + year}
}

// partAt is the part at a place in the order in which a report goes through them. The programme changes fastest: a small report covers
// many programmes.
func partAt(place int) part {
	programmes, regions, clienteles := programmes(), regions(), clienteles()
	programme, line := place%len(programmes), place/len(programmes)
	region, rest := line%len(regions), line/len(regions)
	clientele, back := rest%len(clienteles), rest/len(clienteles)

	var words, codes []string
	for _, q := range []quality{programmes[programme], regions[region], clienteles[clientele], vintage(back)} {
		if q != (quality{}) {
			words, codes = append(words, q.words), append(codes, q.code)
		}
	}
	return part{programme: programme + 1, line: line + 1, words: strings.Join(words, ", "), code: strings.Join(codes, "_")}
}

// attribute is the sample's attribute a as reported for the part, at place i of the report.
func (p part) attribute(a schema.Attribute, i int) schema.Attribute {
	a.LineItemNumber = strconv.Itoa(p.programme) + "." + a.LineItemNumber + "." + threeDigits(p.line)
	a.Identity = a.LineItemNumber
	// Known issues are a portfolio's own, about one in twelve as in the sample.
	a.HasIssues = scatter(i)%12 == 0
	if p.words != "" {
		a.AttributeName += " (" + p.words + ")"
		a.TechnicalLineItemName += "_" + p.code
		a.Description += " This line covers " + p.words + "."
	}
	return a
}

// threeDigits writes n with at least three digits.
func threeDigits(n int) string {
	s := strconv.Itoa(n)
	return "000"[:max(0, 3-len(s))] + s
}

// scatter spreads consecutive numbers evenly and without a pattern; it is the finalizer of SplitMix64.
func scatter(i int) uint64 {
	z := (uint64(i) + 1) * 0x9e3779b97f4a7c15 //nolint:gosec // any bits will do
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// attributes reads the embedded file. It panics on a mistake in it: the file is part of the program and its tests read all of it.
func attributes() []schema.Attribute {
	rows, err := csv.NewReader(strings.NewReader(attributesCSV)).ReadAll()
	if err != nil {
		panic(fmt.Errorf("attributes.csv: %w", err))
	}
	column := make(map[string]int, len(rows[0]))
	for i, name := range rows[0] {
		column[name] = i
	}
	read := make([]schema.Attribute, 0, len(rows)-1)
	for _, row := range rows[1:] {
		cell := func(name string) string { return row[column[name]] }
		read = append(read, schema.Attribute{
			Identity:              cell("line_item_number"),
			AttributeName:         cell("attribute_name"),
			Description:           cell("description"),
			DataType:              cell("data_type"),
			LineItemNumber:        cell("line_item_number"),
			TechnicalLineItemName: cell("technical_line_item_name"),
			MDRM:                  cell("mdrm"),
			IsMandatory:           cell("is_mandatory") == "true",
			IsCDE:                 cell("is_cde") == "true",
			IsPrimaryKey:          cell("is_primary_key") == "true",
			HasIssues:             cell("has_issues") == "true",
			ValidationRules:       cell("validation_rules"),
		})
	}
	return read
}

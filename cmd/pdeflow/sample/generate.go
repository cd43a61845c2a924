package sample

import (
	"encoding/csv"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Generate yields the n attributes of a generated report: the sample's, repeated for other parts of the card business.
// Every run of 118 holds each of the sample's attributes once, in a mixed order, so that a report of any size is about
// as varied and as difficult as the sample. The candidates to map them to are the sample's [Columns].
//
// An attribute depends only on its position, so that a report of a hundred begins like one of a million. Identity, line
// item number and description are unique. The names are the form's, as if a bank filed the same lines for each of its
// portfolios, and the description names the portfolio. (Qualified names were tried: words that no column contains made
// most attributes harder to map than in the sample.)
//
// The caller sets ids, the report and the audit fields. Generate keeps none of the attributes.
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

// stride has no divisor in common with the 118 attributes, so its multiples visit each attribute once before any
// repeats. It moves neighbours on the form, which are similar, far apart.
const stride = 47

// part is a separately reported part of the card business: the accounts of one programme, region, clientele and
// vintage.
type part struct {
	programme int
	// line is the number of the part within its programme.
	line int
	// words name the part; they are empty for the whole business.
	words string
}

// The words in the lists below reveal nothing about an attribute's sensitivity or source: no channels, no kinds of
// product, no names of scores (which excludes many a card's name), and no places that occur in an address. The first of
// each list stands for all.

func programmes() []string {
	return []string{
		"", "Maple", "Aurora", "Cedar", "Compass", "Copper", "Crescent", "Evergreen", "Everyday", "Gold", "Harbor",
		"Heritage", "Indigo",
		"Infinite", "Journey", "Lantern", "Meridian", "Northstar", "Orchard", "Platinum", "Signature", "Skyline",
		"Summit", "Titanium", "Voyager",
	}
}

func regions() []string {
	return []string{
		"", "New England", "Middle Atlantic", "East North Central", "West North Central", "South Atlantic",
		"East South Central",
		"West South Central", "Mountain", "Pacific",
	}
}

func clienteles() []string {
	return []string{"", "Mass Market", "Affluent", "Wealth", "Core"}
}

// vintage counts years back without end, which allows reports of any size.
func vintage(back int) string {
	const latest = 2026
	if back == 0 {
		return ""
	}
	return strconv.Itoa(latest+1-back) + " Vintage"
}

// partAt returns the part at a position in a report. The programme changes fastest, so that a small report covers many
// programmes.
func partAt(place int) part {
	programmes, regions, clienteles := programmes(), regions(), clienteles()
	programme, line := place%len(programmes), place/len(programmes)
	region, rest := line%len(regions), line/len(regions)
	clientele, back := rest%len(clienteles), rest/len(clienteles)

	words := []string{programmes[programme], regions[region], clienteles[clientele], vintage(back)}
	words = slices.DeleteFunc(words, func(word string) bool { return word == "" })
	return part{programme: programme + 1, line: line + 1, words: strings.Join(words, ", ")}
}

// attribute returns the sample's attribute a as reported for the part, at position i of the report.
func (p part) attribute(a schema.Attribute, i int) schema.Attribute {
	a.LineItemNumber = strconv.Itoa(p.programme) + "." + a.LineItemNumber + "." + threeDigits(p.line)
	a.Identity = a.LineItemNumber
	// Known issues belong to a portfolio: about one in twelve, as in the sample.
	a.HasIssues = scatter(i)%12 == 0
	if p.words != "" {
		a.Description += " " + p.words + " only."
	}
	return a
}

// threeDigits writes n with at least three digits.
func threeDigits(n int) string {
	s := strconv.Itoa(n)
	return "000"[:max(0, 3-len(s))] + s
}

// scatter maps consecutive numbers to evenly distributed ones without a pattern. It is the finalizer of SplitMix64.
func scatter(i int) uint64 {
	z := (uint64(i) + 1) * 0x9e3779b97f4a7c15 //nolint:gosec // any bits will do
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// attributes reads the embedded file. It panics on an error in it, because the file is part of the program and tests
// read all of it.
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

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

// Generate yields the n attributes of a report of that size: the sample's, again and again for other parts of the card
// business. Every run of 118 holds each of the sample's attributes once, in an order that mixes them, so that a report
// of any size is about as varied and as difficult as the sample. The candidates to map them to are the sample's
// [Columns].
//
// An attribute depends on its place only, so that a report of a hundred begins as one of a million does. Identity, line
// item number and description are unique; the names are the form's, as where a bank files the same lines for each of
// its portfolios, and the description says which portfolio. Qualified names were tried: words that no column has made
// the mapping of most attributes harder than in the sample.
//
// Ids, the report and the audit fields are the caller's to set. Nothing is kept of what has been yielded.
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

// stride has no divisor in common with the 118 attributes, so that its multiples visit each once before any again. It
// brings neighbours on the form, which resemble one another, far apart.
const stride = 47

// part is a part of the card business, reported by itself: a programme's accounts in a region, of one clientele, of one
// vintage.
type part struct {
	programme int
	// line is the number of the part within its programme.
	line int
	// words name the part; there are none for the whole business.
	words string
}

// The words in the lists below say nothing about an attribute's sensitivity or source: no channels, no kinds of
// product, no names of scores (which rules out many a card's name), and no places of which an address is made. The
// first of each list stands for all.

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

// vintage counts years back without end, which makes room for reports of any size.
func vintage(back int) string {
	const latest = 2026
	if back == 0 {
		return ""
	}
	return strconv.Itoa(latest+1-back) + " Vintage"
}

// partAt is the part at a place in the order in which a report goes through them. The programme changes fastest: a
// small report covers many programmes.
func partAt(place int) part {
	programmes, regions, clienteles := programmes(), regions(), clienteles()
	programme, line := place%len(programmes), place/len(programmes)
	region, rest := line%len(regions), line/len(regions)
	clientele, back := rest%len(clienteles), rest/len(clienteles)

	words := []string{programmes[programme], regions[region], clienteles[clientele], vintage(back)}
	words = slices.DeleteFunc(words, func(word string) bool { return word == "" })
	return part{programme: programme + 1, line: line + 1, words: strings.Join(words, ", ")}
}

// attribute is the sample's attribute a as reported for the part, at place i of the report.
func (p part) attribute(a schema.Attribute, i int) schema.Attribute {
	a.LineItemNumber = strconv.Itoa(p.programme) + "." + a.LineItemNumber + "." + threeDigits(p.line)
	a.Identity = a.LineItemNumber
	// Known issues are a portfolio's own, about one in twelve as in the sample.
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

// scatter spreads consecutive numbers evenly and without a pattern; it is the finalizer of SplitMix64.
func scatter(i int) uint64 {
	z := (uint64(i) + 1) * 0x9e3779b97f4a7c15 //nolint:gosec // any bits will do
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// attributes reads the embedded file. It panics on a mistake in it: the file is part of the program and its tests read
// all of it.
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

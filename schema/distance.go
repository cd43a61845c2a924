package schema

import (
	"cmp"
	"slices"
	"strings"
)

// EditDistance returns the number of bytes to insert, remove or replace to turn a into b (Levenshtein distance).
func EditDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// Similar returns at most limit of the names that differ from the text in at most half of its bytes, the most
// similar first. It ignores case.
func Similar(text string, names []string, limit int) []string {
	type match struct {
		name     string
		distance int
	}
	text = strings.ToLower(text)
	var matches []match
	for _, name := range names {
		if abs := len(name) - len(text); max(abs, -abs) > len(text)/2 {
			continue
		}
		if distance := EditDistance(text, strings.ToLower(name)); distance <= len(text)/2 {
			matches = append(matches, match{name, distance})
		}
	}
	slices.SortFunc(matches, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	similar := slices.Compact(each(matches, func(m match) string { return m.name }))
	return similar[:min(limit, len(similar))]
}

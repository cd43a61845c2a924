package sample

import (
	_ "embed" // for the files below
)

// What the report is known by.
const (
	CycleID    = "2026-Q3"
	ReportID   = "fr-y-14m-d1"
	ReportName = "FR Y-14M Schedule D.1"
)

var (
	//go:embed attributes.csv
	attributesCSV string
	//go:embed columns.csv
	columnsCSV string
	//go:embed mappings.csv
	mappingsCSV string
)

// Attributes is the file of the report's 118 attributes, to be imported.
func Attributes() []byte { return []byte(attributesCSV) }

// Columns is the file of the columns of the issuer's three data sources, to be imported.
func Columns() []byte { return []byte(columnsCSV) }

// Mappings is a file of mappings from before: two that people have confirmed, and four that nobody has, two of which
// are wrong.
func Mappings() []byte { return []byte(mappingsCSV) }

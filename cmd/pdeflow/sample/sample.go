package sample

import (
	_ "embed" // for the files below
)

// The report's identity.
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

// Attributes returns the file of the report's 118 attributes, to be imported.
func Attributes() []byte { return []byte(attributesCSV) }

// Columns returns the file of the columns of the issuer's three data sources, to be imported.
func Columns() []byte { return []byte(columnsCSV) }

// Mappings returns a file of earlier mappings: two that people have confirmed, and four unconfirmed ones, two of which
// are wrong.
func Mappings() []byte { return []byte(mappingsCSV) }

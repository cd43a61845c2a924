// Package datatype reads the data types that reports and databases declare, so that an N12.2 of a form and a NUMERIC(12,2) of a table
// can be told to hold the same kind of value.
//
// It reads the forms' shorthand (C18, N12.2, Date YYYYMMDD) and the usual SQL names in any case, with or without a length. What it does
// not know is [Unknown], which rules nothing out.
package datatype

import (
	"strconv"
	"strings"
	"unicode"
)

// Kind is what sort of value a type holds.
type Kind int

// The kinds.
const (
	// Unknown is a type that is missing or that nobody here has heard of.
	Unknown Kind = iota
	Text
	Number
	Date
	Timestamp
	Boolean
	Binary
)

// Type is a declared data type.
type Type struct {
	Kind Kind
	// Length is the number of characters or digits, 0 where none is declared.
	Length int
	// Scale is the number of digits after the decimal point.
	Scale int
	// Floating is true for numbers whose scale is not fixed.
	Floating bool
}

// Parse reads a declared data type. It never fails: see [Unknown].
func Parse(declared string) Type {
	name, length, scale := cut(declared)
	t := Type{Kind: kind(name, length), Length: length, Scale: scale}
	switch name {
	case "float", "double", "real", "binary_double":
		t.Floating = true
	case "money":
		t.Scale = 2
	}
	return t
}

// cut takes "NUMBER(12, 2)", "N12.2" and "Date YYYYMMDD" apart into the lower-case leading word and the two numbers after it.
func cut(declared string) (name string, length, scale int) {
	rest := strings.TrimSpace(declared)
	end := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' })
	if end < 0 {
		return strings.ToLower(rest), 0, 0
	}
	name, rest = strings.ToLower(rest[:end]), rest[end:]
	if sized(name) { // int2, uint64, float8: the digits count bytes or bits and belong to the name
		rest = strings.TrimLeft(rest, "0123456789")
	}
	if _, inBrackets, ok := strings.Cut(rest, "("); ok { // varchar2(40), character varying(255)
		rest = inBrackets
	}
	length, rest = number(rest)
	scale, _ = number(strings.TrimLeft(rest, "., "))
	return name, length, scale
}

// sized reports whether digits right behind a type's name tell its size in memory.
func sized(name string) bool {
	switch name {
	case "int", "uint", "float", "serial":
		return true
	default:
		return false
	}
}

// number reads the digits at the start of text, after spaces.
func number(text string) (n int, rest string) {
	text = strings.TrimLeft(text, " ")
	end := 0
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(text[:end])
	if err != nil {
		return 0, text
	}
	return n, text[end:]
}

func kind(name string, length int) Kind {
	switch name {
	case "c", "x", "a", "an", "char", "character", "varchar", "nvarchar", "nchar", "bpchar", "text", "string", "clob",
		"nclob", "citext", "uuid", "name", "alphanumeric", "alpha", "enum":
		return Text
	case "n", "number", "numeric", "decimal", "dec", "int", "uint", "integer", "bigint", "smallint", "tinyint", "mediumint", "money", "smallmoney",
		"float", "double", "real", "binary_double", "serial", "bigserial", "percent", "amount", "currency":
		return Number
	case "date", "d", "yyyymmdd", "mmddyyyy":
		return Date
	case "timestamp", "timestamptz", "datetime", "smalldatetime", "time":
		return Timestamp
	case "boolean", "bool", "bit", "flag", "indicator":
		if length > 1 {
			return Binary
		}
		return Boolean
	case "blob", "bytea", "binary", "varbinary", "raw", "image":
		return Binary
	default:
		return Unknown
	}
}

// Package datatype parses the data types that reports and databases declare, so that the N12.2 of a form and the
// NUMERIC(12,2) of a table are the same kind of value.
//
// [Parse] accepts the shorthand of forms (C18, N12.2, Date YYYYMMDD) and the usual SQL names, in any case, with or
// without a length. Other types are [Unknown], which callers treat as a type that can hold anything.
package datatype

import (
	"strconv"
	"strings"
	"unicode"
)

// Kind is the kind of value that a type holds.
type Kind int

// The kinds. Unknown is the kind of a type that is missing or not recognised.
const (
	Unknown Kind = iota
	Text
	Number
	Date
	Timestamp
	Boolean
	Binary
	// Document is structured text, such as JSON or XML.
	Document
)

// Type is a declared data type.
type Type struct {
	Kind Kind
	// Length is the number of characters or digits, or 0 if none is declared.
	Length int
	// Scale is the number of digits after the decimal point.
	Scale int
	// Floating is true for numbers whose scale is not fixed.
	Floating bool
	// Integer is true for the types that only hold whole numbers, whatever length they declare.
	Integer bool
}

// Parse parses a declared data type. The kind of a type that it does not recognise is [Unknown].
func Parse(declared string) Type {
	name, length, scale := cut(declared)
	t := Type{Kind: kind(name, length), Length: length, Scale: scale}
	switch name {
	case "float", "double", "real", "binary_double":
		t.Floating = true
	case "money":
		t.Scale = 2
	case "int", "uint", "integer", "bigint", "smallint", "tinyint", "mediumint", "serial", "bigserial":
		t.Integer = true
	}
	return t
}

// cut splits "NUMBER(12, 2)" or "N12.2" into the first word, in lower case, and the two numbers after it.
func cut(declared string) (name string, length, scale int) {
	rest := strings.TrimSpace(declared)
	end := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' })
	if end < 0 {
		return strings.ToLower(rest), 0, 0
	}
	name, rest = strings.ToLower(rest[:end]), rest[end:]
	if isSized(name) { // int2, uint64, float8: the digits count bytes or bits
		rest = strings.TrimLeft(rest, "0123456789")
	}
	if _, inBrackets, ok := strings.Cut(rest, "("); ok { // varchar2(40), character varying(255)
		rest = inBrackets
	}
	length, rest = number(rest)
	scale, _ = number(strings.TrimLeft(rest, "., "))
	return name, length, scale
}

// isSized reports whether the digits after the name of a type are its size in memory.
func isSized(name string) bool {
	switch name {
	case "int", "uint", "float", "serial":
		return true
	default:
		return false
	}
}

// number parses the digits at the start of text, after spaces.
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

// kind returns the kind of a type by its name. A bit is a boolean, several bits are binary.
func kind(name string, length int) Kind {
	switch name {
	case "c", "x", "a", "an", "char", "character", "varchar", "nvarchar", "nchar", "bpchar", "text", "string", "clob",
		"nclob", "citext", "uuid", "name", "alphanumeric", "alpha", "enum":
		return Text
	case "n", "number", "numeric", "decimal", "dec", "int", "uint", "integer", "bigint", "smallint", "tinyint",
		"mediumint", "money", "smallmoney", "float", "double", "real", "binary_double", "serial", "bigserial",
		"percent", "amount", "currency":
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
	case "json", "jsonb", "xml", "xmltype":
		return Document
	default:
		return Unknown
	}
}

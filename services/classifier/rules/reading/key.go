package reading

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// markColumn adds the marks that follow from the name and the table of a column.
func (r *Reading) markColumn() {
	if r.isRowKey() {
		r.Marks |= policy.MarkRowKey
	}
	if r.isLookupEntry() {
		r.Marks |= policy.MarkLookupEntry
	}
}

// isLookupEntry reports whether the name of the column begins with that of its table, or only names a kind of value.
func (r *Reading) isLookupEntry() bool {
	var name, table []string
	for i := range r.Words {
		switch w := &r.Words[i]; {
		case w.Place == InTable:
			if !slices.Contains([]string{"lookup", "reference", "code", "type", "list", "dimension"}, w.Text) {
				table = append(table, w.Text)
			}
		case w.Place <= InQualifier:
			if !isValueWord(w.Text) {
				name = append(name, w.Text)
			}
		}
	}
	return len(table) > 0 && (len(name) == 0 || len(name) >= len(table) && slices.Equal(name[:len(table)], table))
}

// isValueWord reports whether a word only names the kind of value of a list's entry.
func isValueWord(word string) bool {
	switch word {
	case "identifier", "code", "name", "title", "description", "text", "value":
		return true
	default:
		return false
	}
}

// isRowKey reports whether the name and the data type are those of a column by which a database numbers or joins its
// rows: the name ends with an identifier or a key, and the type is a whole number or an id that a system makes up. A
// text may hold the number that people use, so it is a key only if the type is not declared.
func (r *Reading) isRowKey() bool {
	last := -1
	for i := range r.Words {
		if r.Words[i].Place <= InQualifier && r.Words[i].matters() {
			last = i
		}
	}
	if last < 0 || !slices.Contains([]string{"identifier", "key", "uuid", "guid"}, r.Words[last].Text) {
		return false
	}
	name, length, _ := strings.Cut(strings.ToLower(r.DataType), "(")
	switch name, _, _ := strings.Cut(strings.TrimSpace(name), " "); name {
	case "", "int", "integer", "bigint", "smallint", "mediumint", "tinyint", "int2", "int4", "int8",
		"serial", "bigserial", "smallserial", "uuid", "guid", "uniqueidentifier", "rowid", "oid", "references",
		"belongs_to":
		return true
	case "number", "numeric", "decimal": // without digits, or with as many as the type has
		return length == "" || strings.HasPrefix(length, "38") || strings.HasPrefix(length, "19") ||
			strings.HasPrefix(length, "20")
	default:
		return false
	}
}

// EndsTable reports whether the name of the table ends with an occurrence, apart from words for any table.
func (r *Reading) EndsTable(at int) bool {
	for i := r.Occurrences[at].End; i < len(r.Words); i++ {
		if w := &r.Words[i]; w.Place == InTable && w.matters() && !isTableWord(w.Text) {
			return false
		}
	}
	return true
}

// isTableWord reports whether a word only means that there are rows, such as "table".
func isTableWord(word string) bool {
	switch word {
	case "table", "data", "information", "detail", "record", "master", "profile", "history", "statistic", "stat",
		"archive", "directory", "base", "main", "dimension":
		return true
	default:
		return false
	}
}

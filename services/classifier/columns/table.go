package columns

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// role is the purpose of a table, by its name and columns.
type role int

const (
	// recordTable holds business records.
	recordTable role = iota
	// lookupTable explains codes.
	lookupTable
	// pastTable holds old copies: history, archive, backup.
	pastTable
	// systemTable is internal to the system: staging, logs, jobs.
	systemTable
)

func (r role) String() string {
	switch r {
	case lookupTable:
		return "lookup table"
	case pastTable:
		return "table of past records"
	case systemTable:
		return "table of the system itself"
	default:
		return "table of records"
	}
}

// table has the properties that the columns of one table share.
type table struct {
	// prefix is the system's mark, such as "CRDM_", that begins the names of most columns and is no word.
	prefix string
	name   string
	role   role
	number int
	// key is the column with the codes of a lookup table, or empty if none is named like the table.
	key string
	// primary has the columns of the declared primary key; it is empty if the keys are unknown.
	primary []string
}

// tableKey identifies a table among those of all data sources.
type tableKey struct{ source, schema, table string }

func tableOf(c *schema.SourceColumn) tableKey {
	return tableKey{c.DataSourceID, c.SchemaName, c.TableName}
}

// tablesOf returns the tables of the columns.
func tablesOf(v *words.Vocabulary, columns []schema.SourceColumn) map[tableKey]*table {
	names, primary := map[tableKey][]string{}, map[tableKey][]string{}
	for i := range columns {
		key := tableOf(&columns[i])
		names[key] = append(names[key], columns[i].ColumnName)
		if columns[i].IsPrimaryKey {
			primary[key] = append(primary[key], columns[i].ColumnName)
		}
	}
	tables := make(map[tableKey]*table, len(names))
	for key, of := range names {
		t := &table{
			name: key.table, role: roleOf(v, key.table, of), number: len(tables), key: keyOf(v, key.table, of),
			primary: primary[key],
		}
		if prefix := commonPrefix(of); isMark(v, strings.TrimSuffix(prefix, "_"), key.table) {
			t.prefix = prefix
		}
		tables[key] = t
	}
	return tables
}

// identifies reports whether the column alone is the declared primary key of the table.
func (t *table) identifies(c *schema.SourceColumn) bool { return c.IsPrimaryKey && len(t.primary) == 1 }

// strip removes the table's prefix from a column's name, unless nothing would be left.
func (t *table) strip(name string) string {
	if rest, ok := strings.CutPrefix(name, t.prefix); ok && rest != "" {
		return rest
	}
	return name
}

const (
	// fewColumns is the minimum number of columns from which a prefix is no coincidence.
	fewColumns = 5
	// prefixShare is the minimum share of the columns that have a prefix; row metadata often has none.
	prefixShare = 0.7
)

// commonPrefix returns the part up to the first underscore that most of the names share, or "".
func commonPrefix(names []string) string {
	if len(names) < fewColumns {
		return ""
	}
	counts := map[string]int{}
	for _, name := range names {
		if i := strings.IndexByte(name, '_'); i > 0 && i < len(name)-1 {
			counts[name[:i+1]]++
		}
	}
	for prefix, n := range counts {
		if float64(n) >= prefixShare*float64(len(names)) {
			return prefix
		}
	}
	return ""
}

// isMark reports whether a prefix is no word, or is two letters that abbreviate the table's name.
func isMark(v *words.Vocabulary, prefix, table string) bool {
	if !v.Known(prefix) {
		return true
	}
	if len(prefix) > 2 {
		return false
	}
	table, prefix = strings.ToLower(table), strings.ToLower(prefix)
	at := strings.IndexByte(table, prefix[0])
	return at >= 0 && strings.IndexByte(table[at+1:], prefix[len(prefix)-1]) >= 0
}

// Words of table names that show the purpose of a table, and the last words of the names of keys.
var (
	systemWords = []string{"staging", "stg", "stage", "log", "audit", "batch", "etl", "temporary", "error", "reject"}
	pastWords   = []string{"archive", "arch", "backup", "bkp", "bak", "old", "history", "purge"}
	keyWords    = []string{"code", "type", "identifier", "number", "key"}
	lookupWords = []string{"lookup", "lkp", "lkup", "lu", "ref", "reference", "xref", "code", "decode", "dom"}
)

// keyOf returns the column that has the name of the table with "code", "number" or the like: STAT_CD of REF_STAT. The
// order of the columns is no evidence, because a data source lists them by name.
func keyOf(v *words.Vocabulary, table string, columns []string) string {
	about := slices.DeleteFunc(v.Split(table), func(w string) bool {
		return slices.Contains(lookupWords, w) || w == "table"
	})
	for _, c := range columns {
		name := v.Split(c)
		if n := len(name) - 1; n >= 0 && slices.Equal(name[:n], about) && slices.Contains(keyWords, name[n]) {
			return c
		}
	}
	return ""
}

// roleOf returns the role of a table by the words of its name. A table of few columns that has a code and a
// description is a lookup table, too.
func roleOf(v *words.Vocabulary, name string, columns []string) role {
	split := v.Split(name)
	has := func(some []string) bool {
		return slices.ContainsFunc(split, func(w string) bool { return slices.Contains(some, w) })
	}
	switch {
	case has(systemWords):
		return systemTable
	case has(pastWords):
		return pastTable
	case has(lookupWords):
		return lookupTable
	case len(columns) <= 6 && describesCodes(v, columns):
		return lookupTable
	default:
		return recordTable
	}
}

// describesCodes reports whether the columns include a code and a description.
func describesCodes(v *words.Vocabulary, columns []string) bool {
	code, description := false, false
	for _, c := range columns {
		split := v.Split(c)
		if len(split) == 0 {
			continue
		}
		switch split[len(split)-1] {
		case "code", "type", "identifier":
			code = true
		case "description":
			description = true
		}
	}
	return code && description
}

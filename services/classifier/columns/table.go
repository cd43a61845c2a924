package columns

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// role is what a table is for, as far as its name tells.
type role int

const (
	// recordTable holds the business's own records.
	recordTable role = iota
	// lookupTable explains codes.
	lookupTable
	// pastTable holds copies: history, archive, backup.
	pastTable
	// plumbingTable serves the system itself: staging, logs, jobs.
	plumbingTable
)

func (r role) String() string {
	switch r {
	case lookupTable:
		return "lookup table"
	case pastTable:
		return "table of past records"
	case plumbingTable:
		return "table of the system itself"
	default:
		return "table of records"
	}
}

// table is what the columns of one table have in common.
type table struct {
	// prefix is a system's mark that stands before most columns' names and is no word, such as "CRDM_".
	prefix string
	name   string
	role   role
	number int
	// key is the column of a lookup table whose codes it explains; empty where none is named like the table.
	key string
}

// tableKey names a table among all data sources.
type tableKey struct{ source, schema, table string }

func tableOf(c *schema.SourceColumn) tableKey {
	return tableKey{c.DataSourceID, c.SchemaName, c.TableName}
}

// tablesOf looks at the tables that the columns stand in.
func tablesOf(columns []schema.SourceColumn) map[tableKey]*table {
	names := map[tableKey][]string{}
	for i := range columns {
		key := tableOf(&columns[i])
		names[key] = append(names[key], columns[i].ColumnName)
	}
	tables := make(map[tableKey]*table, len(names))
	for key, of := range names {
		t := &table{name: key.table, role: roleOf(key.table, of), number: len(tables), key: keyOf(key.table, of)}
		if prefix := commonPrefix(of); isMark(strings.TrimSuffix(prefix, "_"), key.table) {
			t.prefix = prefix
		}
		tables[key] = t
	}
	return tables
}

// strip takes the table's prefix from a column's name, unless nothing would be left.
func (t *table) strip(name string) string {
	if rest, ok := strings.CutPrefix(name, t.prefix); ok && rest != "" {
		return rest
	}
	return name
}

const (
	// fewColumns are too few to tell a prefix from a coincidence.
	fewColumns = 5
	// prefixShare of a table's columns must have a prefix: row metadata often has none.
	prefixShare = 0.7
)

// commonPrefix is the part up to the first underscore that most of the names share, or nothing.
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

// isMark reports whether a prefix is no word but a system's mark, or two letters that stand for the table's own name.
func isMark(prefix, table string) bool {
	if !words.Known(prefix) {
		return true
	}
	if len(prefix) > 2 {
		return false
	}
	table, prefix = strings.ToLower(table), strings.ToLower(prefix)
	at := strings.IndexByte(table, prefix[0])
	return at >= 0 && strings.IndexByte(table[at+1:], prefix[len(prefix)-1]) >= 0
}

// Words of tables' names that tell what the tables are for, and of columns' names that end the key of a lookup table.
var (
	plumbing = []string{"staging", "stg", "stage", "log", "audit", "batch", "etl", "temporary", "error", "reject"}
	past     = []string{"archive", "arch", "backup", "bkp", "bak", "old", "history", "purge"}
	keyWords = []string{"code", "type", "identifier", "number", "key"}
	lookups  = []string{"lookup", "lkp", "lkup", "lu", "ref", "reference", "xref", "code", "decode", "dom"}
)

// keyOf is the column that is called what the table is called, and the code or the number of it: REF_STAT has
// STAT_CD. The order of columns does not tell: a data source gives them by name.
func keyOf(table string, columns []string) string {
	about := slices.DeleteFunc(words.Split(table), func(w string) bool {
		return slices.Contains(lookups, w) || w == "table"
	})
	for _, c := range columns {
		name := words.Split(c)
		if n := len(name) - 1; n >= 0 && slices.Equal(name[:n], about) && slices.Contains(keyWords, name[n]) {
			return c
		}
	}
	return ""
}

// roleOf tells a table's role by the words of its name; a table of few columns that pairs a code with its description
// is a lookup table too.
func roleOf(name string, columns []string) role {
	said := words.Split(name)
	has := func(some []string) bool {
		return slices.ContainsFunc(said, func(w string) bool { return slices.Contains(some, w) })
	}
	switch {
	case has(plumbing):
		return plumbingTable
	case has(past):
		return pastTable
	case has(lookups):
		return lookupTable
	case len(columns) <= 6 && describesCodes(columns):
		return lookupTable
	default:
		return recordTable
	}
}

func describesCodes(columns []string) bool {
	code, description := false, false
	for _, c := range columns {
		said := words.Split(c)
		if len(said) == 0 {
			continue
		}
		switch said[len(said)-1] {
		case "code", "type", "identifier":
			code = true
		case "description":
			description = true
		}
	}
	return code && description
}

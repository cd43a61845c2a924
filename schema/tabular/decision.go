package tabular

import (
	"slices"
	"strconv"

	"github.com/pdeflow/pdeflow/schema"
)

// maxComment is the maximum length of a comment, in characters.
const maxComment = 2000

// DecisionRow is a row of a file of decisions, which is an export that a person has filled in.
type DecisionRow struct {
	ID      string
	Version int64
	// Decision is empty if there is none.
	Decision schema.ReviewStatus
	Comment  string
	// Cells has the texts of the other cells that are not empty, by column, as the file has them.
	Cells map[string]string
}

// Decisions reads a file of decisions. Columns are the names of those that the file may have in addition to id,
// version, decision and comment. Any error is [Problems].
func Decisions(name string, content []byte, columns []string) (File[DecisionRow], error) {
	statuses := slices.DeleteFunc(schema.ReviewStatuses(),
		func(s schema.ReviewStatus) bool { return s == schema.ReviewStatusPending })
	l := layout[DecisionRow]{
		noun: "the mapping",
		fields: []field[DecisionRow]{
			required(code("id", maxCode, func(r *DecisionRow) *string { return &r.ID })),
			required(field[DecisionRow]{name: "version", kind: kindValue, parse: parseVersion}),
			choice("decision", statuses, func(r *DecisionRow) *schema.ReviewStatus { return &r.Decision }),
			{
				name: "comment", kind: kindProse, maxLength: maxComment,
				text: func(r *DecisionRow) *string { return &r.Comment },
			},
		},
		identity: func(r DecisionRow) (key, column, advice string) {
			return r.ID, "id", "decide about a mapping once"
		},
	}
	for _, column := range columns {
		l.fields = append(l.fields, field[DecisionRow]{
			name: column, kind: kindRaw, parse: func(r *DecisionRow, value string) string {
				if r.Cells == nil {
					r.Cells = map[string]string{}
				}
				r.Cells[column] = value
				return ""
			},
		})
	}
	return read(l, name, content)
}

func parseVersion(r *DecisionRow, value string) string {
	version, err := strconv.ParseInt(value, 10, 64)
	if err != nil || version < 1 {
		return "must be the version of the mapping from the export"
	}
	r.Version = version
	return ""
}

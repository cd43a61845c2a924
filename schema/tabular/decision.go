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
	// Cells has the texts of the compared columns as the file has them, in the order of these columns. It ends with the
	// last one that is not empty.
	Cells []string
}

// DecisionFile is a file of decisions. Its rows are those without problems.
type DecisionFile struct {
	File[DecisionRow]
	// Problems are those of the other rows, of which Refused is the number. Two rows with the same id are both refused.
	Problems Problems
	Refused  int
}

// Decisions reads a file of decisions. Compared are the names of the columns in addition to id, version, decision and
// comment whose cells are returned, and ignored those of the other columns that the file may have. An error means that
// no row could be read, and is [Problems].
func Decisions(name string, content []byte, compared, ignored []string) (DecisionFile, error) {
	r := newReader(decisions(compared, ignored), name)
	file, err := r.read(content)
	if err != nil {
		return DecisionFile{}, err
	}
	read := DecisionFile{File: file, Problems: r.problems, Refused: r.refused}
	read.Rows, read.Places = nil, nil
	for i, row := range file.Rows {
		if r.twice[row.ID] {
			read.Refused++
			continue
		}
		read.Rows, read.Places = append(read.Rows, row), append(read.Places, file.Places[i])
	}
	return read, nil
}

func decisions(compared, ignored []string) layout[DecisionRow] {
	statuses := slices.DeleteFunc(schema.ReviewStatuses(),
		func(s schema.ReviewStatus) bool { return s == schema.ReviewStatusPending })
	l := layout[DecisionRow]{
		noun: "the mapping", partial: true,
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
	for i, column := range compared {
		l.fields = append(l.fields, field[DecisionRow]{
			name: column, kind: kindRaw, parse: func(r *DecisionRow, value string) string {
				for len(r.Cells) <= i {
					r.Cells = append(r.Cells, "")
				}
				r.Cells[i] = value
				return ""
			},
		})
	}
	for _, column := range ignored {
		l.fields = append(l.fields, field[DecisionRow]{
			name: column, kind: kindRaw, parse: func(*DecisionRow, string) string { return "" },
		})
	}
	return l
}

func parseVersion(r *DecisionRow, value string) string {
	version, err := strconv.ParseInt(value, 10, 64)
	if err != nil || version < 1 {
		return "must be the version of the mapping from the export"
	}
	r.Version = version
	return ""
}

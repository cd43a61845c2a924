package tabular

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// maxComment is the maximum length of a comment, in characters.
const maxComment = 2000

// decisionLimits are those of a file of decisions, whose rows are in a temporary file: as many as a sheet can have.
func decisionLimits() limits { return limits{rows: MaxSheetRows, unpacked: 4 << 30, texts: 16_000_000} }

// DecisionRow is a row of a file of decisions, which is an export that a person has filled in.
type DecisionRow struct {
	ID      string
	Version int64
	// Decision is empty if there is none.
	Decision schema.ReviewStatus

	decisionTexts
	// at is the position of the texts in the temporary file.
	at int64
}

// decisionTexts are the texts of a row that are not held in memory.
type decisionTexts struct {
	Comment string
	// Cells has the texts of the compared columns as the file has them, in the order of these columns. It ends with the
	// last one that is not empty.
	Cells []string
}

// DecisionFile is a file of decisions. Its rows are those without problems, without comments and cells; see
// [DecisionFile.Row]. They may be more than fit into memory.
type DecisionFile struct {
	File[DecisionRow]
	// Problems are those of the other rows, of which Refused is the number. Two rows with the same id are both refused.
	Problems Problems
	Refused  int

	texts *spool
}

// Row returns the row with this index, with its comment and its cells. An error is one of the temporary file.
func (f *DecisionFile) Row(i int) (DecisionRow, error) {
	row := f.Rows[i]
	text, err := f.texts.read(row.at)
	if err != nil {
		return row, err
	}
	if err := json.Unmarshal(text, &row.decisionTexts); err != nil {
		return row, spoolError{err}
	}
	return row, nil
}

// Close removes the temporary file.
func (f *DecisionFile) Close() error { return f.texts.Close() }

// Decisions reads a file of decisions. Compared are the names of the columns in addition to id, version, decision and
// comment whose cells are returned, and ignored those of the other columns that the file may have. An error means that
// no row could be read; it is [Problems], or an error of a temporary file. The caller closes the file.
func Decisions(
	name string, content *io.SectionReader, compared, ignored []string,
) (_ DecisionFile, err error) {
	texts := &spool{}
	defer func() {
		if err != nil {
			_ = texts.Close() // only the error of the file matters
		}
	}()
	l := decisions(compared, ignored)
	l.keep = func(row *DecisionRow) error {
		text, err := json.Marshal(row.decisionTexts)
		if err != nil {
			return spoolError{err}
		}
		row.at, err = texts.add(text)
		// The id is a part of the text of its line.
		row.ID, row.decisionTexts = strings.Clone(row.ID), decisionTexts{}
		return err
	}
	r := newReader(l, name)
	file, err := r.read(content)
	if err != nil {
		return DecisionFile{}, err
	}
	read := DecisionFile{File: file, Problems: r.problems, Refused: r.refused, texts: texts}
	kept := 0
	for i, row := range file.Rows {
		if r.twice[row.ID] {
			read.Refused++
			continue
		}
		file.Rows[kept], file.Places[kept] = row, file.Places[i]
		kept++
	}
	read.Rows, read.Places = file.Rows[:kept], file.Places[:kept]
	return read, nil
}

func decisions(compared, ignored []string) layout[DecisionRow] {
	statuses := slices.DeleteFunc(schema.ReviewStatuses(),
		func(s schema.ReviewStatus) bool { return s == schema.ReviewStatusPending })
	l := layout[DecisionRow]{
		noun: "the mapping", partial: true, limits: decisionLimits(),
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
		l.fields = append(l.fields, field[DecisionRow]{name: column, kind: kindUnread})
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

package columnfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// The columns of an export of OpenMetadata that are read. An export of a schema or a database has a row for each
// column, of the type column; older exports of tables have the name of a column in a column of its own.
const (
	omType       = "entitytype"
	omName       = "fullyqualifiedname"
	omAbout      = "description"
	omColumn     = "column.fullyqualifiedname"
	omColumnText = "column.description"
	omDisplay    = "column.datatypedisplay"
	omDataType   = "column.datatype"
	omLength     = "column.datalength"
)

// omHeader returns the indexes of the columns of a header. Required columns are marked with an asterisk.
func omHeader(cells []string) map[string]int {
	columns := map[string]int{}
	for i, cell := range cells {
		columns[strings.ToLower(strings.TrimSuffix(strings.TrimSpace(cell), "*"))] = i
	}
	return columns
}

// isOpenMetadata reports whether the text begins with the header of an export of OpenMetadata.
func isOpenMetadata(start []byte) bool {
	cells, err := csv.NewReader(bytes.NewReader(start)).Read()
	if err != nil {
		return false
	}
	columns := omHeader(cells)
	_, typed := columns[omType]
	_, named := columns[omName]
	_, old := columns[omColumn]
	return typed && named || old
}

func (r *reader) readOpenMetadata(content []byte) {
	in := csv.NewReader(bytes.NewReader(content))
	in.FieldsPerRecord = -1
	header, err := in.Read()
	columns := omHeader(header)
	nameColumn, aboutColumn := omName, omAbout
	if _, old := columns[omColumn]; old {
		nameColumn, aboutColumn = omColumn, omColumnText
	}
	for err == nil {
		var cells []string
		if cells, err = in.Read(); err != nil {
			break
		}
		value := func(column string) string {
			if i, found := columns[column]; found && i < len(cells) {
				return strings.TrimSpace(cells[i])
			}
			return ""
		}
		line, _ := in.FieldPos(0)
		name := value(nameColumn)
		if nameColumn == omName && !strings.EqualFold(value(omType), "column") || name == "" {
			continue
		}
		names, ok := splitQualified(name)
		if !ok || len(names) < 5 {
			r.problem(
				line,
				nameColumn,
				"must be service.database.schema.table.column; export the schema or the database",
			)
			continue
		}
		dataType := value(omDisplay)
		if dataType == "" {
			dataType = value(omDataType)
			if length := value(omLength); length != "" && dataType != "" {
				dataType += "(" + length + ")"
			}
		}
		r.add(line, schema.ColumnRow{
			DataSource: names[0], SchemaName: names[2], TableName: names[3], ColumnName: strings.Join(names[4:], "."),
			DataType: dataType, Description: value(aboutColumn),
		})
	}
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		r.problem(parse.StartLine, "", "the quotes do not match")
	} else if !errors.Is(err, io.EOF) {
		r.problem(0, "", "the file cannot be read as CSV")
	}
}

// splitQualified splits a name at its dots. A part with dots is in double quotes.
func splitQualified(name string) (parts []string, ok bool) {
	for {
		if !strings.HasPrefix(name, `"`) {
			part, rest, more := strings.Cut(name, ".")
			parts = append(parts, part)
			if !more {
				return parts, true
			}
			name = rest
			continue
		}
		part, rest, closed := cutQuoted(name)
		parts = append(parts, part)
		if !closed || rest != "" && rest[0] != '.' {
			return nil, false
		}
		if rest == "" {
			return parts, true
		}
		name = rest[1:]
	}
}

// cutQuoted cuts off a part in double quotes. Double quotes in it are doubled.
func cutQuoted(name string) (part, rest string, closed bool) {
	for i := 1; i < len(name); i++ {
		switch {
		case name[i] != '"':
		case strings.HasPrefix(name[i:], `""`):
			i++
		default:
			return strings.ReplaceAll(name[1:i], `""`, `"`), name[i+1:], true
		}
	}
	return "", "", false
}

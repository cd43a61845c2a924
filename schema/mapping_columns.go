package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// mappingColumn is a column of a mapping that a job or an import sets. The columns are derived from the fields of
// [Mapping] and their tags, so that no statement lists them a second time.
type mappingColumn struct {
	// name is the name of the column, goName the name of the field, and field the index of the field in
	// [Mapping].
	name, goName string
	field        int
	// sqlType is the SQL type of a parameter for the column.
	sqlType string
	// job is true if a job saves the column, imported if an import sets it from its file, decision if a manager
	// reviews it, and classification if it is one of the five fields of the classification.
	job, imported, decision, classification bool
}

// mappingColumns lists the columns that jobs and imports set, in the order of the fields.
var mappingColumns = mappingColumnsOf(reflect.TypeFor[Mapping]())

// JobColumns returns the names of the columns that a job saves, in the order of the fields of [Mapping].
func JobColumns() []string {
	var names []string
	for _, c := range mappingColumns {
		if c.job {
			names = append(names, c.name)
		}
	}
	return names
}

func mappingColumnsOf(row reflect.Type) (columns []mappingColumn) {
	for i := range row.NumField() {
		field := row.Field(i)
		tag, ok := field.Tag.Lookup("column")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("bun"), ",")
		c := mappingColumn{name: name, goName: field.Name, field: i, sqlType: sqlTypeOf(field.Type)}
		for word := range strings.SplitSeq(tag, ",") {
			c.job = c.job || word == "job"
			c.imported = c.imported || word == "import"
			c.decision = c.decision || word == "decision"
			c.classification = c.classification || word == "classification"
		}
		columns = append(columns, c)
	}
	return columns
}

// sqlTypeOf returns the SQL type of a parameter for a field of the row. Numbers have the widest type, so that
// the database, not the driver, rejects one that does not fit the column. Lists are JSON.
func sqlTypeOf(field reflect.Type) string {
	switch field.Kind() {
	case reflect.Pointer:
		return sqlTypeOf(field.Elem())
	case reflect.Int:
		return "bigint"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "jsonb"
	case reflect.Struct:
		return "timestamptz"
	default:
		return "text"
	}
}

// value returns the parameter for the column of m: a string, bool, int64 or time, or nil for null. An empty
// string, a nil pointer or list, and the zero time are null.
func (c *mappingColumn) value(m *Mapping) (any, error) {
	field := reflect.ValueOf(m).Elem().Field(c.field)
	if field.Kind() == reflect.Pointer {
		if field.IsNil() {
			return nil, nil
		}
		field = field.Elem()
	}
	switch field.Kind() {
	case reflect.String:
		if field.Len() == 0 {
			return nil, nil
		}
		return field.String(), nil
	case reflect.Int:
		return field.Int(), nil
	case reflect.Bool:
		return field.Bool(), nil
	case reflect.Struct:
		if at, _ := field.Interface().(time.Time); !at.IsZero() {
			return at, nil
		}
		return nil, nil
	default:
		if field.IsNil() {
			return nil, nil
		}
		text, err := json.Marshal(field.Interface())
		if err != nil {
			return nil, fmt.Errorf("%s of mapping %s: %w: %w", c.name, m.ID, ErrMalformed, err)
		}
		return string(text), nil
	}
}

// equalMappings reports whether a and b have the same values in the columns that satisfy the condition.
func equalMappings(a, b *Mapping, condition func(*mappingColumn) bool) bool {
	va, vb := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range mappingColumns {
		c := &mappingColumns[i]
		if condition(c) && !reflect.DeepEqual(va.Field(c.field).Interface(), vb.Field(c.field).Interface()) {
			return false
		}
	}
	return true
}

// SameDecision reports whether m and other have the same source column, mapping type, transformation rule and
// classification. A manager reviews these; confidences and rationales do not matter.
func (m Mapping) SameDecision(other Mapping) bool {
	return equalMappings(&m, &other, func(c *mappingColumn) bool { return c.decision })
}

// imageFields has, for each field of an [Image], the index of the field of [Mapping] with the same name.
var imageFields = imageFieldsOf(reflect.TypeFor[Mapping](), reflect.TypeFor[Image]())

func imageFieldsOf(row, image reflect.Type) (positions []int) {
	for i := range image.NumField() {
		field, ok := row.FieldByName(image.Field(i).Name)
		if !ok {
			panic("schema: Image has a field that Mapping does not have: " + image.Field(i).Name)
		}
		positions = append(positions, field.Index[0])
	}
	return positions
}

// Image returns the image of the mapping for the history.
func (m Mapping) Image() (image Image) {
	from, to := reflect.ValueOf(&m).Elem(), reflect.ValueOf(&image).Elem()
	for i, position := range imageFields {
		source, target := from.Field(position), to.Field(i)
		switch {
		case target.Type() == source.Type():
			target.Set(source)
		case target.Kind() != reflect.Pointer: // the text of an enumeration
			target.SetString(source.String())
		case source.Kind() == reflect.Struct: // a time, of which zero is null
			if at, _ := source.Interface().(time.Time); !at.IsZero() {
				target.Set(reflect.ValueOf(new(at.UTC())))
			}
		case source.Len() > 0: // an empty text is null
			text := source.String()
			target.Set(reflect.ValueOf(&text))
		}
	}
	return image
}

// restore returns m with the values of the image, except for the version.
func (image Image) restore(m Mapping) Mapping {
	version := m.Version
	from, to := reflect.ValueOf(&image).Elem(), reflect.ValueOf(&m).Elem()
	for i, position := range imageFields {
		source, target := from.Field(i), to.Field(position)
		switch {
		case target.Type() == source.Type():
			target.Set(source)
		case source.Kind() != reflect.Pointer:
			target.SetString(source.String())
		case source.IsNil():
			target.SetZero()
		case target.Kind() == reflect.String:
			target.SetString(source.Elem().String())
		default: // a time
			target.Set(source.Elem())
		}
	}
	m.Version = version
	return m
}

// array returns the column's values after the changes, as a slice of pointers. A nil pointer is null.
func (c *mappingColumn) array(changes []change) (any, error) {
	switch c.sqlType {
	case "bigint":
		return arrayOf[int64](c, changes)
	case "boolean":
		return arrayOf[bool](c, changes)
	case "timestamptz":
		return arrayOf[time.Time](c, changes)
	default:
		return arrayOf[string](c, changes)
	}
}

func arrayOf[T any](c *mappingColumn, changes []change) ([]*T, error) {
	values := make([]*T, len(changes))
	for i := range changes {
		value, err := c.value(&changes[i].after)
		if err != nil {
			return nil, err
		}
		if v, ok := value.(T); ok {
			values[i] = &v
		}
	}
	return values, nil
}

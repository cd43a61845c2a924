package tabular

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"
)

// CSVWriter writes a CSV file, row by row.
type CSVWriter struct {
	csv   *csv.Writer
	cells []string
}

// NewCSVWriter returns a writer, and writes the header to it.
func NewCSVWriter(to io.Writer, header []string) (*CSVWriter, error) {
	w := &CSVWriter{csv: csv.NewWriter(to)}
	if err := w.csv.Write(header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return w, nil
}

// Write writes a row. A value is a string, an int64, a bool, a time, or nil for an empty cell. Texts that a
// spreadsheet program would execute are protected; see [Protect].
func (w *CSVWriter) Write(row []any) error {
	w.cells = w.cells[:0]
	for _, value := range row {
		text, err := csvCell(value)
		if err != nil {
			return err
		}
		w.cells = append(w.cells, text)
	}
	if err := w.csv.Write(w.cells); err != nil {
		return fmt.Errorf("row: %w", err)
	}
	return nil
}

func csvCell(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return Protect(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), nil
	default:
		return "", fmt.Errorf("cell: a %T cannot be written", value)
	}
}

// Close writes what is buffered. It does not close the underlying writer.
func (w *CSVWriter) Close() error {
	w.csv.Flush()
	if err := w.csv.Error(); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	return nil
}

package schema

import "iter"

// Pages reads all rows of a list, page by page. List returns at most limit rows after a position, "" for the beginning,
// and position returns that of a row. The sequence ends with the first page of fewer rows or the first error.
func Pages[T any](
	limit int, list func(after string, limit int) ([]T, error), position func(T) string,
) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		for after := ""; ; {
			page, err := list(after, limit)
			if !yield(page, err) || err != nil || len(page) < limit {
				return
			}
			after = position(page[len(page)-1])
		}
	}
}

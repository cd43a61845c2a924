package api

import "time"

// orNull returns nil for an empty text, which JSON encodes as null.
func orNull[T ~string](text T) *T {
	if text == "" {
		return nil
	}
	return &text
}

// orEmpty returns an empty list for nil, which JSON would encode as null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// timeOrNull returns nil for the zero time, which JSON encodes as null.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

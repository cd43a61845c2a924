package schema_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
)

func TestPages_ReadsEveryRowOnce(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{0, 1, 2, 3, 4, 5} {
		t.Run(strconv.Itoa(rows), func(t *testing.T) {
			t.Parallel()
			all := make([]string, rows)
			for i := range all {
				all[i] = strconv.Itoa(i)
			}
			list := func(after string, limit int) ([]string, error) {
				from := slices.Index(all, after) + 1
				return all[from:min(from+limit, len(all))], nil
			}
			got := []string{}
			for page, err := range schema.Pages(2, list, func(row string) string { return row }) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, page...)
			}
			if diff := cmp.Diff(all, got); diff != "" {
				t.Errorf("Pages: got other rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPages_EndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	list := func(after string, _ int) ([]string, error) {
		if after != "" {
			return nil, lost
		}
		return []string{"a", "b"}, nil
	}
	var got []error
	for _, err := range schema.Pages(2, list, func(row string) string { return row }) {
		got = append(got, err)
	}
	if len(got) != 2 || got[0] != nil || !errors.Is(got[1], lost) {
		t.Errorf("Pages: got errors %v, want none and then %v", got, lost)
	}
}

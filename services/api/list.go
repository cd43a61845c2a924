package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// Page is a part of a list.
type Page[T any] struct {
	Items []T `json:"items" nullable:"false"`
	// NextCursor is null at the end of the list.
	NextCursor *string `json:"next_cursor" doc:"Give it as cursor to get what follows; null at the end."`
}

// PageQuery is what a request for a part of a list says.
type PageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"2000" doc:"The next_cursor of the page before."`
}

// after returns the key of the last item of the page before, which has so many parts; none on the first page.
func (p PageQuery) after(parts int) ([]string, error) {
	if p.Cursor == "" {
		return nil, nil
	}
	var key []string
	text, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err == nil {
		err = json.Unmarshal(text, &key)
	}
	if err != nil || len(key) != parts || !areTexts(key) {
		return nil, refuseField("query.cursor", "it has to be the next_cursor of a page of this list")
	}
	return key, nil
}

// ask is how many rows to read for the page: one more than it holds shows whether there is a next one.
func (p PageQuery) ask() int { return p.Limit + 1 }

// pageOf makes a page of the rows that were read for it. Key is what a row is sorted by, its id last.
func pageOf[Row, T any](p PageQuery, rows []Row, show func(Row) T, key func(Row) []string) (Page[T], error) {
	page := Page[T]{Items: make([]T, 0, min(len(rows), p.Limit))}
	for _, row := range rows[:min(len(rows), p.Limit)] {
		page.Items = append(page.Items, show(row))
	}
	if len(rows) > p.Limit {
		text, err := json.Marshal(key(rows[p.Limit-1]))
		if err != nil {
			return page, fmt.Errorf("cursor: %w", err)
		}
		cursor := base64.RawURLEncoding.EncodeToString(text)
		page.NextCursor = &cursor
	}
	return page, nil
}

func areTexts(texts []string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return !isText(text) })
}

package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// Page is one page of a list.
type Page[T any] struct {
	Items      []T     `json:"items" nullable:"false"`
	NextCursor *string `json:"next_cursor" doc:"The cursor of the next page, null on the last page. Any page may be short."`
}

// PageQuery selects a page of a list.
type PageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"The maximum number of items."`
	Cursor string `query:"cursor" maxLength:"2000" doc:"The next_cursor of the previous page."`
}

// after returns the key of the last item of the previous page, which must have this number of parts; nil for the first
// page.
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
		return nil, newFieldProblem("query.cursor", "must be the next_cursor of a page of this list")
	}
	return key, nil
}

// afterID is after for a list with the id as its key. It returns "" for the first page.
func (p PageQuery) afterID() (string, error) {
	key, err := p.after(1)
	if err != nil || key == nil {
		return "", err
	}
	return key[0], nil
}

// rows returns the number of rows to read: one more than the page shows, to find out whether there is a next page.
func (p PageQuery) rows() int { return p.Limit + 1 }

// pageOf returns the page of the rows that were read for it. The key of a row has the values by which the list is
// sorted, and its id last.
func pageOf[Row, T any](p PageQuery, rows []Row, show func(Row) T, key func(Row) []string) (Page[T], error) {
	page := Page[T]{Items: make([]T, 0, min(len(rows), p.Limit))}
	for _, row := range rows[:min(len(rows), p.Limit)] {
		page.Items = append(page.Items, show(row))
	}
	if len(rows) > p.Limit {
		var err error
		if page.NextCursor, err = cursor(key(rows[p.Limit-1])...); err != nil {
			return page, err
		}
	}
	return page, nil
}

// cursor returns the cursor of the page after the item with this key.
func cursor(key ...string) (*string, error) {
	text, err := json.Marshal(key)
	if err != nil {
		return nil, fmt.Errorf("cursor: %w", err)
	}
	cursor := base64.RawURLEncoding.EncodeToString(text)
	return &cursor, nil
}

func areTexts(texts []string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return !isText(text) })
}

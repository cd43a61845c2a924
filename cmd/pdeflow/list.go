package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/urfave/cli/v3"
)

// maxPage is the largest page of the API.
const maxPage = 500

// page is a part of a list. Its items are not decoded.
type page struct {
	Items      []json.RawMessage `json:"items"`
	NextCursor *string           `json:"next_cursor"`
}

// pages reads a list page by page, up to limit items, or all if limit is 0.
func (c *client) pages(ctx context.Context, path string, query url.Values, limit int) iter.Seq2[page, error] {
	query = maps.Clone(query)
	return func(yield func(page, error) bool) {
		for left := limit; ; {
			size := maxPage
			if limit > 0 {
				size = min(size, left)
			}
			query.Set("limit", strconv.Itoa(size))
			var p page
			if _, err := c.call(ctx, request{method: http.MethodGet, path: path, query: query}, &p); err != nil {
				yield(p, err)
				return
			}
			left -= len(p.Items)
			if !yield(p, nil) || p.NextCursor == nil || limit > 0 && left <= 0 {
				return
			}
			query.Set("cursor", *p.NextCursor)
		}
	}
}

// items reads the items of a list, up to limit, or all if limit is 0. It ends after the first error.
func items[T any](ctx context.Context, c *client, path string, limit int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for p, err := range c.pages(ctx, path, url.Values{}, limit) {
			var item T
			if err != nil {
				yield(item, err)
				return
			}
			for _, raw := range p.Items {
				var item T
				if err := json.Unmarshal(raw, &item); err != nil {
					yield(item, fmt.Errorf("item of the list: %w", err))
					return
				}
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// list describes a list of the API and its columns in a table.
type list[T any] struct {
	path    string
	query   url.Values
	columns []any
	// optional lists the columns to leave out on a narrow terminal, in this order.
	optional []string
	row      func(T) []any
	// rows is for items that take any number of rows; it replaces row.
	rows func(T) [][]any
}

// printList prints the list as a table or as the API's JSON. It holds only one page in memory.
func printList[T any](ctx context.Context, a *app, cmd *cli.Command, c *client, l list[T]) error {
	pages := c.pages(ctx, l.path, l.query, cmd.Int(flagLimit))
	if cmd.Bool(flagJSON) {
		return a.problemJSON(true, printPages(a, pages))
	}
	var more bool
	printed := 0
	w := table(a.stdout, l.optional...)
	for p, err := range pages {
		if err != nil {
			return err
		}
		if printed == 0 && len(p.Items) > 0 {
			printRow(w, l.columns...)
		}
		for _, raw := range p.Items {
			var item T
			if err := json.Unmarshal(raw, &item); err != nil {
				return fmt.Errorf("item of the list: %w", err)
			}
			for _, row := range l.rowsOf(item) {
				printRow(w, row...)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		printed += len(p.Items)
		more = p.NextCursor != nil
	}
	w.noteOmitted(a.stderr)
	switch {
	case printed == 0:
		fmt.Fprintln(a.stderr, "nothing found")
	case more:
		fmt.Fprintf(a.stderr, "showing the first %d; --limit 0 shows all\n", printed)
	}
	return nil
}

func (l list[T]) rowsOf(item T) [][]any {
	if l.rows != nil {
		return l.rows(item)
	}
	return [][]any{l.row(item)}
}

// printPages prints the pages as one JSON object, an item a line.
func printPages(a *app, pages iter.Seq2[page, error]) error {
	printed := 0
	next := []byte("null")
	for p, err := range pages {
		if err != nil {
			return err
		}
		for _, raw := range p.Items {
			separator := ",\n"
			if printed == 0 {
				separator = "{\"items\": [\n"
			}
			if _, err := fmt.Fprintf(a.stdout, "%s%s", separator, raw); err != nil {
				return err
			}
			printed++
		}
		next = []byte("null")
		if p.NextCursor != nil {
			if next, err = json.Marshal(*p.NextCursor); err != nil {
				return err
			}
		}
	}
	begin := ""
	if printed == 0 {
		begin = "{\"items\": ["
	}
	_, err := fmt.Fprintf(a.stdout, "%s\n], \"next_cursor\": %s}\n", begin, next)
	return err
}

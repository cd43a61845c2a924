package desk_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// views returns a view of each page, by the name of its template. The function fills each of them.
func views(fill func(view any)) map[string]desk.View {
	all := map[string]any{
		"reports": &desk.Reports{}, "report": &desk.Report{}, "jobs": &desk.Jobs{}, "job": &desk.Job{},
		"edit": &desk.Edit{}, "import": &desk.Import{}, "files": &desk.Files{}, "compare": &desk.Compare{},
		"confirm": &desk.Confirm{}, "audit": &desk.Audit{}, "lineage": &desk.Lineage{}, "docs": &desk.Docs{},
		"signin": &desk.SignIn{}, "refusal": &desk.Refusal{},
	}
	filled := map[string]desk.View{}
	for name, view := range all {
		fill(view)
		filled[name], _ = reflect.ValueOf(view).Elem().Interface().(desk.View)
	}
	return filled
}

// filler sets each field that it can reach.
type filler struct {
	// text returns the value of the next text.
	text func() string
}

func (f filler) fill(view any) {
	f.set(reflect.ValueOf(view).Elem(), 0)
	switch v := view.(type) {
	case *desk.Lineage:
		v.Picture = desk.NewLineagePicture([]schema.Lineage{
			{DataSource: f.text(), SourceField: f.text(), LineItemNumber: f.text()}, {LineItemNumber: f.text()},
		})
	case *desk.Audit:
		v.Open = v.Entries[0].Seq
		hash := strings.Repeat("0", 64)
		v.Entries[0].Hash, v.Chain.Head.Hash, v.Chain.Verified.Head.Hash = hash, hash, hash
		v.Entries[0].Data = json.RawMessage(`{"text":` + fmt.Sprintf("%q", f.text()) + `}`)
	}
}

func (f filler) set(v reflect.Value, depth int) {
	if !v.CanSet() || depth > 8 {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)))
		return
	case url.Values:
		v.Set(reflect.ValueOf(url.Values{"q": {f.text()}, "kind": {f.text()}, "review_status": {f.text()}}))
		return
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(`{}`)))
		return
	case *desk.LineagePicture:
		return
	}
	switch v.Kind() { //nolint:exhaustive // views have no fields of other kinds
	case reflect.String:
		v.SetString(f.text())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1_234_567)
	case reflect.Float64:
		v.SetFloat(0.25)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.set(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.set(v.Index(0), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			f.set(v.Field(i), depth+1)
		}
	}
}

// hostile is a text that must not become markup.
const hostile = `"'><script>alert(1)</script><b onload="x">&amp;`

func TestRender_ShowsEveryTextAsText(t *testing.T) {
	t.Parallel()
	frame := desk.Frame{
		Caller: desk.Caller{User: hostile, Role: hostile, CanEdit: true, CanReview: true},
		Active: &events.JobStatus{JobID: hostile, Metadata: events.JobMetadata{ReportID: hostile}, TotalSteps: 1},
	}
	for name, view := range views(filler{text: func() string { return hostile }}.fill) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := render(t, frame, view)
			if scripts := page.named("script"); len(scripts) != 1 || !scripts[0].in("head") {
				t.Errorf("got %d scripts, want only that of the layout", len(scripts))
			}
			if !strings.Contains(page.byID("main").text, hostile) {
				t.Error("the text is not on the page")
			}
			for _, e := range page.all(func(*element) bool { return true }) {
				for attribute := range e.attrs {
					if strings.HasPrefix(attribute, "on") {
						t.Errorf("<%s> has the attribute %s", e.name, attribute)
					}
				}
			}
		})
	}
}

// The Content-Security-Policy would block the rest.
func TestRender_LoadsOnlyItsOwnFilesAndHasNoInlineStyle(t *testing.T) {
	t.Parallel()
	for name, view := range views(newFiller().fill) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := render(t, desk.Frame{Caller: desk.Caller{User: "ada"}}, view)
			for _, e := range page.all(func(*element) bool { return true }) {
				source := e.attrs["src"]
				if e.name == "link" {
					source = e.attrs["href"]
				}
				if source != "" && !strings.HasPrefix(source, "/static/") {
					t.Errorf("<%s> loads %s", e.name, source)
				}
				if e.has("style") || e.name == "style" || e.name == "script" && strings.TrimSpace(e.text) != "" {
					t.Errorf("<%s> has an inline style or script", e.name)
				}
				if e.name == "form" && !strings.HasPrefix(e.attrs["action"], "/") && name != "confirm" {
					t.Errorf("a form is sent to %q", e.attrs["action"])
				}
			}
		})
	}
}

// newFiller returns a filler whose texts all differ.
func newFiller() filler {
	n := 0
	return filler{text: func() string {
		n++
		return fmt.Sprintf("t%d", n)
	}}
}

func TestRender_NamesWhatPeopleUseAndRefersToWhatIsThere(t *testing.T) {
	t.Parallel()
	frame := desk.Frame{Caller: desk.Caller{User: "ada", CanEdit: true, CanReview: true}}
	for name, view := range views(newFiller().fill) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := render(t, frame, view)
			ids := map[string]int{}
			everything := page.all(func(*element) bool { return true })
			for _, e := range everything {
				if id := e.attrs["id"]; id != "" {
					if ids[id]++; ids[id] > 1 {
						t.Errorf("two elements have the id %s", id)
					}
				}
			}
			for _, e := range everything {
				for _, attribute := range []string{
					"for", "aria-labelledby", "aria-describedby", "popovertarget", "form", "list",
				} {
					for _, id := range strings.Fields(e.attrs[attribute]) {
						if ids[id] == 0 {
							t.Errorf("<%s %s=%q>: there is no such element", e.name, attribute, id)
						}
					}
				}
				checkNames(t, page, e)
			}
			for tag, want := range map[string]int{"main": 1, "h1": 1, "title": 1} {
				found := page.all(func(e *element) bool { return e.name == tag && !e.in("svg") })
				if len(found) != want {
					t.Errorf("got %d <%s>, want %d", len(found), tag, want)
				}
			}
		})
	}
}

// checkNames fails the test if a control has no name for a screen reader, or the head of a table no scope.
func checkNames(t *testing.T, page, e *element) {
	t.Helper()
	switch e.name {
	case "input", "select", "textarea":
		labelled := e.attrs["type"] == "hidden" || e.has("aria-label") || e.in("label") ||
			len(page.all(func(l *element) bool { return l.name == "label" && l.attrs["for"] == e.attrs["id"] })) > 0
		if !labelled {
			t.Errorf("<%s name=%q> has no label", e.name, e.attrs["name"])
		}
	case "button", "a":
		if strings.TrimSpace(e.text) == "" && !e.has("aria-label") {
			t.Errorf("<%s %v> has no text", e.name, e.attrs)
		}
	case "th":
		if !e.has("scope") {
			t.Errorf("<th>%s</th> has no scope", e.text)
		}
	case "nav":
		if !e.has("aria-label") {
			t.Errorf("<nav> has no label: %v", e.attrs)
		}
	case "svg":
		if !e.has("aria-hidden") && e.attrs["role"] != "img" && len(e.named("title")) == 0 {
			t.Errorf("a picture is neither hidden nor named: %v", e.attrs)
		}
	}
}

func TestViews_HaveATemplateEach(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if name := strings.TrimSuffix(file.Name(), ".html"); name != "layout" && name != "marks" {
			names = append(names, name)
		}
	}
	if got := slices.Sorted(maps.Keys(views(func(any) {}))); !slices.Equal(got, names) {
		t.Errorf("got views of %v, want one for each of %v", got, names)
	}
}

package desk_test

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/api/desk"
)

// element is an element of a page.
type element struct {
	name     string
	attrs    map[string]string
	parent   *element
	children []*element
	// text is all text in the element, with that of its children.
	text string
}

// render returns the page of the view.
func render(t *testing.T, frame desk.Frame, view desk.View) *element {
	t.Helper()
	d, err := desk.New()
	if err != nil {
		t.Fatal(err)
	}
	body, err := d.Render(frame, view)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(body))
}

// parse reads a page. Its elements must be closed, except for those that HTML does not close.
func parse(t *testing.T, page string) *element {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	root := &element{name: "document"}
	at := root
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line, _ := decoder.InputPos()
			t.Fatalf("the page cannot be parsed: %v: %s", err, strings.Split(page, "\n")[line-1])
		}
		switch token := token.(type) {
		case xml.StartElement:
			child := &element{name: token.Name.Local, attrs: map[string]string{}, parent: at}
			for _, a := range token.Attr {
				child.attrs[a.Name.Local] = a.Value
			}
			at.children = append(at.children, child)
			if !slices.Contains(xml.HTMLAutoClose, child.name) {
				at = child
			}
		case xml.EndElement:
			if at.name != token.Name.Local {
				line, _ := decoder.InputPos()
				t.Fatalf("line %d: </%s> closes <%s %v>", line, token.Name.Local, at.name, at.attrs)
			}
			at = at.parent
		case xml.CharData:
			for e := at; e != nil; e = e.parent {
				e.text += string(token)
			}
		}
	}
	if at != root {
		t.Fatalf("<%s %v> is not closed", at.name, at.attrs)
	}
	return root
}

// all returns the elements in e for which the condition is true.
func (e *element) all(is func(*element) bool) (found []*element) {
	for _, child := range e.children {
		if is(child) {
			found = append(found, child)
		}
		found = append(found, child.all(is)...)
	}
	return found
}

// named returns the elements in e with the name.
func (e *element) named(name string) []*element {
	return e.all(func(e *element) bool { return e.name == name })
}

// byID returns the element with the id, or nil.
func (e *element) byID(id string) *element {
	found := e.all(func(e *element) bool { return e.attrs["id"] == id })
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// has reports whether the element has the attribute.
func (e *element) has(attribute string) bool {
	_, found := e.attrs[attribute]
	return found
}

// in reports whether the element is in one with the name.
func (e *element) in(name string) bool {
	return e.parent != nil && (e.parent.name == name || e.parent.in(name))
}

// texts returns the texts of the elements without the spaces around them.
func texts(elements []*element) []string {
	var all []string
	for _, e := range elements {
		all = append(all, strings.Join(strings.Fields(e.text), " "))
	}
	return all
}

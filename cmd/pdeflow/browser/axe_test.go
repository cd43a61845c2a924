package browser

import (
	"compress/gzip"
	"io"
	"os"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// looks are the sizes and colours in which pages are checked. The last one is that of the tests.
func looks() []look {
	return []look{
		{name: "dark, 360 px", width: 360, scheme: "dark", rules: `{runOnly: ["color-contrast"]}`},
		{
			name: "light, 360 px", width: 360, scheme: "light",
			rules: `{runOnly: ["color-contrast", "target-size", "scrollable-region-focusable", "empty-heading"]}`,
		},
		{name: "dark, 1280 px", width: 1280, scheme: "dark", rules: `{runOnly: ["color-contrast"]}`},
		{name: "light, 1280 px", width: 1280, scheme: "light", rules: `{}`},
	}
}

// checked is the part of a page that is checked. The sections of /docs are alike, and checking all takes a minute.
const checked = `{exclude: [".docs section + section"]}`

// look is a width of the window and a colour scheme. Rules are the options of axe-core: the rules that depend on colors
// or sizes, and all of them once.
type look struct {
	name   string
	width  int64
	scheme string
	rules  string
}

// accessible fails the test for each rule of accessibility that the page violates in any look. The rules are those of
// axe-core: WCAG 2.2 at levels A and AA, and best practices. The page must not be wider than the window.
func (u *user) accessible(page string) {
	u.t.Helper()
	eval[bool](u, u.site.axe+`; true`)
	for _, look := range looks() {
		u.emulate(look.width, emulation.MediaFeature{Name: "prefers-color-scheme", Value: look.scheme})
		for _, problem := range evalPromise[[]string](u, `axe.run(`+checked+`, `+look.rules+`)
			.then(({violations}) => violations.flatMap(({id, help, nodes}) => nodes.map(({html, failureSummary}) =>
				id + ": " + help + "\n" + html + "\n" + failureSummary)).slice(0, 5))`) {
			u.t.Errorf("%s, %s: %s", page, look.name, problem)
		}
		const tooWide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`
		if wide := eval[int](u, tooWide); wide > 0 {
			u.t.Errorf("%s, %s: the page is %d px wider than the window", page, look.name, wide)
		}
	}
}

// emulate sets the width of the window and a feature of its medium.
func (u *user) emulate(width int64, feature emulation.MediaFeature) {
	u.t.Helper()
	u.do(chromedp.EmulateViewport(width, 800))
	call(u, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{&feature}})
}

// readAxe returns the script of axe-core.
func readAxe(t *testing.T) string {
	t.Helper()
	file, err := os.Open("testdata/axe.min.js.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

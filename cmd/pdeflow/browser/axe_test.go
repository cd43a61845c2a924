package browser

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// accessible fails the test for each rule of accessibility that the page violates. The rules are those of axe-core:
// WCAG 2.2 at levels A and AA, and best practices.
func (u *user) accessible(page string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](u.site.axe+`;
		axe.run().then(({violations}) => violations.flatMap(({id, help, nodes}) =>
			nodes.map(({html, failureSummary}) => id + ": " + help + "\n" + html + "\n" + failureSummary)))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		u.t.Fatalf("axe on %s: %v", page, err)
	}
	for _, violation := range found {
		u.t.Errorf("%s: %s", page, violation)
	}
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

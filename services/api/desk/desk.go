package desk

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"

	"github.com/pdeflow/pdeflow/events"
)

//go:embed templates static
var files embed.FS

// Desk has the parsed templates and the files of the page.
type Desk struct {
	pages  map[string]*template.Template
	assets map[string]asset
}

// asset is a file that the page loads.
type asset struct {
	body        []byte
	contentType string
	// digest is a part of the URL, so that browsers can keep the file forever.
	digest string
}

// View is the content of a page.
type View interface {
	// page returns the name of the template, the title, and the section of the navigation that the page belongs to.
	page() (name, title, section string)
}

// Frame is what surrounds the content of a page.
type Frame struct {
	Caller
	// Active is the newest active job, or nil.
	Active *events.JobStatus
}

// Caller is the signed-in user, with what their role allows. The zero value means that no user is signed in.
type Caller struct {
	User, Role string
	// CanEdit is true for testers and managers, and CanReview for managers.
	CanEdit, CanReview bool
}

// New parses the templates.
func New() (*Desk, error) {
	d := &Desk{pages: map[string]*template.Template{}, assets: map[string]asset{}}
	if err := d.readAssets(); err != nil {
		return nil, err
	}
	base, err := template.New("").Funcs(d.funcs()).ParseFS(files, "templates/layout.html", "templates/marks.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	for _, name := range names {
		page, err := base.Clone()
		if err == nil {
			page, err = page.ParseFS(files, name)
		}
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		d.pages[strings.TrimSuffix(path.Base(name), ".html")] = page
	}
	return d, nil
}

func (d *Desk) readAssets() error {
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		return fmt.Errorf("static files: %w", err)
	}
	for _, entry := range entries {
		body, err := files.ReadFile("static/" + entry.Name())
		if err != nil {
			return fmt.Errorf("static files: %w", err)
		}
		switch path.Ext(entry.Name()) { // comments and indentation are for readers of the source
		case ".css":
			body = regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAll(body, nil)
			body = regexp.MustCompile(`\s*([{};,])\s*|(:) `).ReplaceAll(body, []byte("$1$2"))
		case ".js":
			body = regexp.MustCompile(`(?m)^\s*//.*\n|^\s+`).ReplaceAll(body, nil)
		}
		sum := sha256.Sum256(body)
		d.assets[entry.Name()] = asset{
			body: body, contentType: mime.TypeByExtension(path.Ext(entry.Name())), digest: hex.EncodeToString(sum[:6]),
		}
	}
	return nil
}

// Render returns the HTML of a page.
func (d *Desk) Render(frame Frame, view View) ([]byte, error) {
	name, title, section := view.page()
	var page bytes.Buffer
	err := d.pages[name].ExecuteTemplate(&page, "layout", struct {
		Frame
		Title, Section, Name string
		View                 View
	}{frame, title, section, name, view})
	if err != nil {
		return nil, fmt.Errorf("page %s: %w", name, err)
	}
	return page.Bytes(), nil
}

// Static serves a file of the page by its name. A URL with the digest never changes its content.
func (d *Desk) Static(w http.ResponseWriter, r *http.Request, name string) {
	file, found := d.assets[name]
	if !found {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == file.digest {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", file.contentType)
	_, _ = w.Write(file.body) // the client may be gone
}

// staticURL returns the URL of a file of the page.
func (d *Desk) staticURL(name string) string {
	return "/static/" + name + "?v=" + d.assets[name].digest
}

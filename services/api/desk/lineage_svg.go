package desk

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The sizes of the picture, in units of its view box. Text is as large as that of the page if the picture is as wide
// as its view box.
const (
	pictureWidth = 1180.0
	// leftBar and rightBar are where the bars of tables and of sections begin, and barWidth is their width.
	leftBar, rightBar, barWidth = 300.0, 880.0, 8.0
	// flowHeight is the height of all lines together, and minHeight that of the smallest bar.
	flowHeight, minHeight = 520.0, 15.0
	nodeGap, systemGap    = 5.0, 30.0
	pictureTop            = 26.0
	// maxLabel is the length of the longest label.
	maxLabel = 36
)

// place is a bar: a node or a section.
type place struct {
	y, height float64
	// scale is the height of a line, and used the height that bands have taken.
	scale, used float64
}

func newPlace(y float64, lines, flows int64) *place {
	height := max(flowHeight*float64(lines)/float64(flows), minHeight)
	return &place{y: y, height: height, scale: height / float64(lines)}
}

// next takes the height of a number of lines and returns where it begins and ends.
func (p *place) next(lines int64) (from, to float64) {
	from = p.y + p.used
	p.used += float64(lines) * p.scale
	return from, p.y + p.used
}

// SVG draws the picture. Colors are classes of the stylesheet, so that it has those of the page and of the print.
func (p *LineagePicture) SVG() template.HTML {
	nodes, left := p.placeNodes()
	sections, right := p.placeSections(left)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="lineage" viewBox="0 0 %s %s" role="img" aria-labelledby="lineage-t lineage-d">`,
		short1(pictureWidth), short1(max(left, right)))
	b.WriteString(`<title id="lineage-t">Where the lines of the report come from</title><desc id="lineage-d">`)
	b.WriteString(template.HTMLEscapeString(p.Summary()))
	b.WriteString(` The table below the picture has the same numbers.</desc>`)
	p.drawBands(&b, nodes, sections)
	system := ""
	for i, node := range p.Nodes {
		if node.System != system && !node.Missing {
			system = node.System
			fmt.Fprintf(&b, `<text class="head end" x="%s" y="%s">%s</text>`, short1(leftBar+barWidth),
				short1(nodes[i].y-7), template.HTMLEscapeString(cut(system)))
		}
		class := "mono end"
		if node.Missing || len(node.Tables) > 1 {
			class = "end"
		}
		box(&b, leftBar, nodes[i])
		labelled(&b, leftBar-8, nodes[i], class, node.Label, node.Names(), node.Lines.Total())
	}
	for i, section := range p.Sections {
		box(&b, rightBar, sections[i])
		labelled(&b, rightBar+barWidth+8, sections[i], "", section.Label, section.Label, section.Total)
	}
	b.WriteString(`</svg>`)
	return markup(b.String())
}

// placeNodes places the nodes, and returns the height of their side.
func (p *LineagePicture) placeNodes() (places []*place, height float64) {
	y, system := pictureTop, ""
	for i, node := range p.Nodes {
		if i > 0 && (node.System != system || node.Missing) {
			y += systemGap - nodeGap
		}
		system = node.System
		at := newPlace(y, node.Lines.Total(), p.Flows)
		places = append(places, at)
		y += at.height + nodeGap
	}
	return places, y
}

// placeSections places the sections over the height of the other side, and returns the height of their own.
func (p *LineagePicture) placeSections(other float64) (places []*place, height float64) {
	total := 0.0
	for _, section := range p.Sections {
		total += newPlace(0, section.Total, p.Flows).height
	}
	gap := nodeGap
	if n := float64(len(p.Sections) - 1); n > 0 {
		gap = max(gap, min((other-pictureTop-nodeGap-total)/n, 2*systemGap))
	}
	y := pictureTop
	for _, section := range p.Sections {
		at := newPlace(y, section.Total, p.Flows)
		places = append(places, at)
		y += at.height + gap
	}
	return places, y
}

// drawBands draws a band from each node to each section for each tier. The bands leave a node in the order of the
// sections, and enter a section in the order of the nodes.
func (p *LineagePicture) drawBands(b *strings.Builder, nodes, sections []*place) {
	classes := []string{"f4", "f3", "f2", "f1", "f0"}
	for i, node := range p.Nodes {
		for section := range p.Sections {
			for tier, n := range node.Lines[section] {
				if n == 0 {
					continue
				}
				from, to := nodes[i].next(n)
				then, until := sections[section].next(n)
				fmt.Fprintf(b, `<path class="%s" d="M%s %sC%s %s %s %s %s %sV%sC%s %s %s %s %s %sZ"/>`, classes[tier],
					short1(leftBar+barWidth), short1(from), short1(middle), short1(from), short1(middle), short1(then),
					short1(rightBar), short1(then), short1(until), short1(middle), short1(until), short1(middle),
					short1(to), short1(leftBar+barWidth), short1(to))
			}
		}
	}
}

// middle is where bands have half of their rise.
const middle = (leftBar + barWidth + rightBar) / 2

func box(b *strings.Builder, x float64, at *place) {
	fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="%s"/>`, short1(x), short1(at.y), short1(barWidth),
		short1(at.height))
}

// labelled writes the label of a bar with the number of its lines, and all of its name as a tooltip.
func labelled(b *strings.Builder, x float64, at *place, class, label, name string, lines int64) {
	fmt.Fprintf(b, `<text class="%s" x="%s" y="%s"><title>%s: %s</title>%s <tspan class="n">%s</tspan></text>`,
		class, short1(x), short1(at.y+at.height/2+4), template.HTMLEscapeString(name), linesOf(lines),
		template.HTMLEscapeString(cut(label)), number(lines))
}

// cut shortens a label.
func cut(label string) string {
	if utf8.RuneCountInString(label) <= maxLabel {
		return label
	}
	runes := []rune(label)
	return string(slices.Concat(runes[:maxLabel/3], []rune("…"), runes[len(runes)-(maxLabel-maxLabel/3-1):]))
}

func linesOf(n int64) string {
	if n == 1 {
		return "1 line"
	}
	return number(n) + " lines"
}

// short1 formats a length with at most one digit after the point.
func short1(n float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0")
}

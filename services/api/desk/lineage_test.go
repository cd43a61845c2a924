package desk_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// lineage returns the lineage of a report with this number of lines, tables and systems.
func lineage(lines, tables, systems int) []schema.Lineage {
	tiers := append(schema.Tiers(), "")
	rows := make([]schema.Lineage, lines)
	for i := range rows {
		table := i * i % tables
		rows[i] = schema.Lineage{
			LineItemNumber:                    fmt.Sprint(i + 1),
			DataSource:                        fmt.Sprintf("System <%d>", table%systems),
			SourceField:                       fmt.Sprintf("S%d.T%d.C", table%systems, table),
			InformationSecurityClassification: tiers[i%5],
		}
		if i%17 == 3 {
			rows[i].DataSource, rows[i].SourceField = "", ""
		}
	}
	return rows
}

func TestNewLineagePicture_HasEveryLineAndFewNodes(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ lines, tables, systems int }{
		{1, 1, 1}, {5, 3, 2}, {118, 27, 3}, {1000, 300, 40}, {20_000, 2000, 9},
	} {
		t.Run(fmt.Sprintf("%+v", size), func(t *testing.T) {
			t.Parallel()
			rows := lineage(size.lines, size.tables, size.systems)
			p := desk.NewLineagePicture(rows)
			if len(p.Nodes) > 16+6+2 || len(p.Sections) > 12 {
				t.Errorf("got %d nodes and %d sections, want at most 24 and 12", len(p.Nodes), len(p.Sections))
			}
			var nodes, sections, tables int64
			var named int
			for _, node := range p.Nodes {
				nodes += node.Lines.Total()
				named += len(node.Tables)
			}
			for _, section := range p.Sections {
				sections += section.Total
			}
			for _, table := range p.Tables {
				tables += table.Total
			}
			want := int64(size.lines)
			if nodes != want || sections != want || tables != p.Mapped || p.Lines != want {
				t.Errorf("lines: got %d at nodes, %d at sections, %d of tables, %d mapped; want %d",
					nodes, sections, tables, p.Mapped, want)
			}
			if named != len(p.Tables) {
				t.Errorf("the nodes name %d tables, want %d", named, len(p.Tables))
			}
			if grouped := len(p.Grouped()) > 0; grouped != (len(p.Tables) > 17) {
				t.Errorf("tables drawn together: got %v of %d, want %v", grouped, len(p.Tables), !grouped)
			}
			svg := string(p.SVG())
			if len(svg) > 150_000 {
				t.Errorf("the picture has %d bytes, want at most 150,000", len(svg))
			}
			checkSVG(t, svg)
		})
	}
}

// checkSVG fails the test unless the picture is XML with a title and a description, and without styles.
func checkSVG(t *testing.T, svg string) {
	t.Helper()
	found := map[string]int{}
	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v in %s", err, svg)
		}
		if element, ok := token.(xml.StartElement); ok {
			found[element.Name.Local]++
			for _, a := range element.Attr {
				if a.Name.Local == "style" || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s has the attribute %v", element.Name.Local, a)
				}
			}
		}
	}
	if found["desc"] != 1 || found["title"] < 1 || found["path"] == 0 {
		t.Errorf("got the elements %v, want a title, a description and bands", found)
	}
}

func TestNewLineagePicture_DividesByScheduleIfThereAreFew(t *testing.T) {
	t.Parallel()
	labels := func(lines ...string) (text string) {
		rows := make([]schema.Lineage, len(lines))
		for i, line := range lines {
			rows[i].LineItemNumber = line
		}
		for _, section := range desk.NewLineagePicture(rows).Sections {
			text += fmt.Sprintf("%s:%d ", section.Label, section.Total)
		}
		return text
	}
	many := make([]string, 30)
	for i := range many {
		many[i] = fmt.Sprintf("S%d.1", i)
	}
	for name, tt := range map[string]struct {
		lines []string
		want  string
	}{
		"schedules":        {[]string{"HC-B.1.a", "HC-B.2", "HC-C.1"}, "HC-B:2 HC-C:1 "},
		"numbers":          {[]string{"1", "2.a", "3"}, "Line 1:1 Line 2.a:1 Line 3:1 "},
		"one schedule":     {[]string{"HC.1", "HC.2"}, "Line HC.1:1 Line HC.2:1 "},
		"without a number": {[]string{"", ""}, "Line 1:1 Line 2:1 "},
		"many schedules": {
			many, "Lines S0.1 to S4.1:5 Lines S5.1 to S9.1:5 Lines S10.1 to S14.1:5 Lines S15.1 to S19.1:5 " +
				"Lines S20.1 to S24.1:5 Lines S25.1 to S29.1:5 ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := labels(tt.lines...); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestNewLineagePicture_DrawsALineForEachOfItsTables(t *testing.T) {
	t.Parallel()
	p := desk.NewLineagePicture([]schema.Lineage{{
		DataSource: "Cards", SourceField: "A.B.C", SourceFields: schema.SourceFields{"A.B.C", "A.B.D", "A.E.F"},
		LineItemNumber: "1",
	}})
	if len(p.Nodes) != 2 || p.Flows != 2 || p.Mapped != 1 || p.Sections[0].Total != 2 {
		t.Errorf("got %d nodes, %d flows, %d mapped, %+v", len(p.Nodes), p.Flows, p.Mapped, p.Sections[0])
	}
	if !strings.Contains(p.Summary(), "1 of 1 lines have a column. Tables: 2. Systems: 1.") ||
		!strings.Contains(p.Summary(), "made of several tables") {
		t.Errorf("summary: got %s", p.Summary())
	}
	if svg := string(p.SVG()); strings.Contains(string(desk.NewLineagePicture(lineage(5, 2, 1)).SVG()), "System <") ||
		!strings.Contains(svg, "A.E") {
		t.Errorf("names: got %s", svg)
	}
}

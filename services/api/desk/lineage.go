package desk

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/pdeflow/pdeflow/schema"
)

// Lineage is the page with the picture of a report: where its lines come from.
type Lineage struct {
	Caller
	Summary
	// Picture is nil if the report has no mappings or more than a picture shows.
	Picture *LineagePicture
	// Limit is the maximum number of mappings of a picture.
	Limit int64
}

func (v Lineage) page() (name, title, section string) {
	return "lineage", "Lineage of " + reportTitle(v.Report), "reports"
}

// TierCount is the number of mappings with a tier.
type TierCount struct {
	Tier  schema.Tier
	Count int64
}

// Tiers returns the number of mappings by tier, without those that none has.
func (v Lineage) Tiers() (counts []TierCount) {
	for i, n := range []int64{v.HRCI, v.Confidential, v.Proprietary, v.Public, v.Unclassified} {
		if n > 0 {
			counts = append(counts, TierCount{lineageTiers()[i], n})
		}
	}
	return counts
}

// TableURL returns the address of the list of the mappings from the table.
func (v Lineage) TableURL(table string) string { return v.URL() + "?q=" + url.QueryEscape(table) }

const (
	// maxTables is the number of tables that a picture names, maxSystems that of systems whose other tables have a node
	// of their own, and maxSections that of parts of the report.
	maxTables, maxSystems, maxSections = 16, 6, 12
)

// lineageTiers are the tiers in the order of the picture, the most secret first; the last one is that of mappings that
// are not classified.
func lineageTiers() []schema.Tier {
	return []schema.Tier{
		schema.TierHRCI, schema.TierConfidential, schema.TierProprietary, schema.TierPublic, "",
	}
}

// LineagePicture is what the picture shows: tables, sections, and how many lines of a section come from a table.
type LineagePicture struct {
	// Nodes are the tables in the order of the picture, those of a system together. Sections are those of the report.
	Nodes    []*LineageNode
	Sections []*LineageSection
	// Tables are all tables, in the order of their systems.
	Tables []LineageTable
	// Lines is the number of mappings, Mapped that of those with a column, and Flows that of lines by table: a line
	// that is made of two tables is counted for each.
	Lines, Mapped, Flows int64
	Systems              int
}

// LineageNode is a table, or several that are drawn as one.
type LineageNode struct {
	System, Label string
	// Tables are the names of the tables that are drawn as one, or of the only one.
	Tables []string
	// Missing means that the lines have no column.
	Missing bool
	Lines   tierCounts
	// rank orders the systems by their size.
	rank int
}

// tierCounts counts lines by section and tier.
type tierCounts map[int][]int64

func (c tierCounts) add(section, tier int, n int64) {
	if c[section] == nil {
		c[section] = make([]int64, len(lineageTiers()))
	}
	c[section][tier] += n
}

// all returns the counts by tier.
func (c tierCounts) all() []int64 {
	sums := make([]int64, len(lineageTiers()))
	for _, tiers := range c {
		for tier, n := range tiers {
			sums[tier] += n
		}
	}
	return sums
}

// Total returns the number of lines.
func (c tierCounts) Total() (sum int64) {
	for _, n := range c.all() {
		sum += n
	}
	return sum
}

// LineageSection is a part of the report.
type LineageSection struct {
	Label string
	Total int64
}

// LineageTable is a table of the text alternative, with its lines by tier.
type LineageTable struct {
	System, Table string
	Total         int64
	Tiers         []int64
}

// tableKey identifies a table of a data source.
type tableKey struct{ system, table string }

// NewLineagePicture groups the lineage of the mappings of a report.
func NewLineagePicture(rows []schema.Lineage) *LineagePicture {
	p := &LineagePicture{Lines: int64(len(rows))}
	sections := p.divide(rows)
	tables := map[tableKey]tierCounts{}
	missing := &LineageNode{Label: "No column", Missing: true, Lines: tierCounts{}}
	count := func(to tierCounts, i int) {
		to.add(sections[i], slices.Index(lineageTiers(), rows[i].InformationSecurityClassification), 1)
		p.Sections[sections[i]].Total++
		p.Flows++
	}
	for i, row := range rows {
		names := row.Tables()
		if len(names) == 0 {
			count(missing.Lines, i)
			continue
		}
		p.Mapped++
		for _, name := range names {
			key := tableKey{cmp.Or(row.DataSource, "Unknown system"), name}
			if tables[key] == nil {
				tables[key] = tierCounts{}
			}
			count(tables[key], i)
		}
	}
	p.arrange(tables)
	if len(missing.Lines) > 0 {
		p.Nodes = append(p.Nodes, missing)
	}
	return p
}

// arrange makes the nodes: the largest tables have one each, and the others of a system share one.
func (p *LineagePicture) arrange(tables map[tableKey]tierCounts) {
	sizes := map[string]int64{}
	keys := make([]tableKey, 0, len(tables))
	for key, lines := range tables {
		keys = append(keys, key)
		sizes[key.system] += lines.Total()
	}
	slices.SortFunc(keys, func(a, b tableKey) int {
		return cmp.Or(cmp.Compare(tables[b].Total(), tables[a].Total()), cmp.Compare(a.system, b.system),
			cmp.Compare(a.table, b.table))
	})
	ranks := rank(sizes)
	p.Systems = len(ranks)
	groups := map[string]*LineageNode{}
	for i, key := range keys {
		node := &LineageNode{System: key.system, Lines: tierCounts{}, rank: ranks[key.system]}
		grouped := i >= maxTables && len(keys) > maxTables+1
		if grouped && node.rank >= maxSystems {
			node.System, node.rank = "Other systems", len(ranks)
		}
		if grouped && groups[node.System] != nil {
			node = groups[node.System]
		} else {
			p.Nodes = append(p.Nodes, node)
		}
		if grouped {
			groups[node.System] = node
		}
		node.take(key.table, tables[key])
		p.Tables = append(p.Tables, LineageTable{
			System: key.system, Table: key.table, Total: tables[key].Total(), Tiers: tables[key].all(),
		})
	}
	slices.SortStableFunc(p.Nodes, func(a, b *LineageNode) int { return cmp.Compare(a.rank, b.rank) })
	slices.SortStableFunc(p.Tables, func(a, b LineageTable) int {
		return cmp.Compare(ranks[a.System], ranks[b.System])
	})
}

// take adds a table with its lines to the node.
func (n *LineageNode) take(table string, lines tierCounts) {
	n.Tables = append(n.Tables, table)
	n.Label = table
	if len(n.Tables) > 1 {
		n.Label = fmt.Sprintf("%d other tables", len(n.Tables))
	}
	for section, tiers := range lines {
		for tier, count := range tiers {
			n.Lines.add(section, tier, count)
		}
	}
}

// rank returns the places of the systems in the order of their sizes.
func rank(sizes map[string]int64) map[string]int {
	var names []string
	for name := range sizes {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b))
	})
	places := map[string]int{}
	for i, name := range names {
		places[name] = i
	}
	return places
}

// divide makes the sections of the report and returns the section of each row: the schedules of the line items, if they
// have a few of them, and else runs of consecutive lines.
func (p *LineagePicture) divide(rows []schema.Lineage) []int {
	places := map[string]int{}
	of := make([]int, len(rows))
	for i, row := range rows {
		name := schedule(row.LineItemNumber)
		if _, known := places[name]; !known {
			places[name] = len(places)
			p.Sections = append(p.Sections, &LineageSection{Label: name})
		}
		of[i] = places[name]
	}
	if _, none := places[""]; !none && len(places) > 1 && len(places) <= maxSections {
		return of
	}
	p.Sections = nil
	size := roundUp((len(rows) + maxSections - 1) / maxSections)
	for i := range rows {
		of[i] = i / size
	}
	for first := 0; first < len(rows); first += size {
		last := min(first+size, len(rows)) - 1
		from, to := rows[first].LineItemNumber, rows[last].LineItemNumber
		if from == "" || to == "" {
			from, to = fmt.Sprint(first+1), fmt.Sprint(last+1)
		}
		label := "Lines " + from + " to " + to
		if first == last {
			label = "Line " + from
		}
		p.Sections = append(p.Sections, &LineageSection{Label: label})
	}
	return of
}

// schedule returns the part of a line item number before the first separator, such as HC-B of HC-B.1.a, or "" if there
// is none or it has no letter.
func schedule(line string) string {
	end := strings.IndexAny(line, ".( /")
	if end <= 0 || !strings.ContainsFunc(line[:end], unicode.IsLetter) {
		return ""
	}
	return line[:end]
}

// roundUp rounds a number of lines up to one that people count in.
func roundUp(n int) int {
	for _, step := range []int{1, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000} {
		if n <= step {
			return step
		}
	}
	return n
}

// Summary describes the picture in a sentence.
func (p *LineagePicture) Summary() string {
	text := fmt.Sprintf("%s of %s lines have a column. Tables: %d. Systems: %d.",
		number(p.Mapped), number(p.Lines), len(p.Tables), p.Systems)
	if p.Flows > p.Lines {
		text += " A line that is made of several tables is drawn for each."
	}
	return text
}

// Grouped returns the nodes that draw several tables as one.
func (p *LineagePicture) Grouped() (nodes []*LineageNode) {
	for _, node := range p.Nodes {
		if len(node.Tables) > 1 {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// namedTables is the number of tables that a text names one by one.
const namedTables = 40

// Names names the tables of the node.
func (n *LineageNode) Names() string {
	names := n.Tables[:min(len(n.Tables), namedTables)]
	text := strings.Join(names, ", ")
	if more := len(n.Tables) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

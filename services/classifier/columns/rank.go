package columns

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Ranking is the result for one attribute.
type Ranking struct {
	// SourceField is the chosen column as schema.table.column, empty if nothing fits.
	SourceField string
	// Column is the position of the chosen column among the candidates, -1 if nothing fits.
	Column int
	// Confidence, 0 to 97, is the probability in percent that the result is right, be it a column or that nothing
	// fits. It is 0 if there are no candidates.
	Confidence int
	// Score is the evidence for the best column, chosen or not, 0 to 1, from which the confidence is computed.
	Score float64
	// MappingType is how the chosen column feeds the attribute, empty if nothing fits.
	MappingType schema.MappingType
	// Rationale explains the result to a reviewer, in whole sentences.
	Rationale string
	// Margin is the difference to the score of the next column, 0 to 99. Copies of the same element in other tables
	// do not count. It is 0 if nothing fits.
	Margin int
	// Lead is the difference to the score of the next column, 0 to 1, and copies of the element count. It is 0 if
	// nothing fits.
	Lead float64
	// Unclear, 0 to 1, is how little the best columns of the whole report lead over the next ones; see [Report].
	Unclear float64
	// Alternatives are at most five columns that were not chosen, the best first.
	Alternatives []schema.Alternative
}

// Evidence returns the values from which the confidence is computed: a constant, the score, how unclear the report is,
// and for a chosen column also the lead, by itself and as far as the report is unclear.
func (r *Ranking) Evidence() []float64 {
	if r.Column < 0 {
		return []float64{1, r.Score, r.Unclear}
	}
	lead := clearShare(r.Lead)
	return []float64{1, r.Score, r.Unclear, lead, lead * r.Unclear}
}

// Probability returns the logistic function of the weighted sum of the evidence.
func Probability(coefficients, evidence []float64) float64 {
	sum := 0.0
	for i, x := range evidence {
		sum += coefficients[i] * x
	}
	return 1 / (1 + math.Exp(-sum))
}

// probability returns the probability that the ranking is right.
func (r *Ranking) probability() float64 {
	c := calibrated()
	if r.Column < 0 {
		return Probability(c.None, r.Evidence())
	}
	return Probability(c.Column, r.Evidence())
}

// Report ranks the columns for the attributes of one report. It adds two kinds of evidence to those of an [Index]:
// which tables the report is about, and which columns suit another attribute better. It also knows how unclear the
// report is: if the best columns lead little over the next ones, the vocabulary does not know the system well, or its
// tables repeat each other, and all results are less certain. All of it is computed once from all
// attributes and columns, so that a result does not depend on the order of the calls. A Report is immutable and safe
// for concurrent use.
type Report struct {
	ix *Index
	// focus has, by table number, how much of the report the table feeds, 0 to 1.
	focus []float64
	// claims has the score of the attribute that a column suits best, by column, for the columns that are the best for
	// an attribute.
	claims map[int]float64
	// unclear is computed from the sum of the leads of the best columns, and their number.
	unclear, leads, chosen float64
}

// newReport compares all attributes with the columns once.
func newReport(ctx context.Context, ix *Index, attributes []schema.Attribute) (*Report, error) {
	r := &Report{ix: ix, focus: make([]float64, ix.tables), claims: map[int]float64{}}
	w, _ := ix.workspaces.Get().(*workspace)
	defer ix.workspaces.Put(w)
	mentions := make([]float64, ix.tables)
	sorted := slices.Clone(attributes) // sums of floating-point numbers depend on the order
	slices.SortFunc(sorted, func(a, b schema.Attribute) int {
		return cmp.Or(strings.Compare(a.AttributeName, b.AttributeName), strings.Compare(a.DataType, b.DataType),
			strings.Compare(a.TechnicalLineItemName, b.TechnicalLineItemName),
			strings.Compare(a.Description, b.Description))
	})
	for i := range sorted {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w.compare(ix, &sorted[i], nil)
		r.claim(w.verdicts)
		r.mention(&w.request, mentions)
		w.reset()
	}
	r.weighMentions(mentions)
	r.unclear = unclearOf((r.leads + usualReport*usualLead) / (r.chosen + usualReport))
	most := slices.Max(append(r.focus, 0))
	for i := range r.focus {
		if most == 0 { // nothing is known of the report
			r.focus[i] = 1
			continue
		}
		r.focus[i] = math.Sqrt(r.focus[i] / most)
	}
	r.focusParents()
	return r, nil
}

// clearShare returns a lead as a share of a clear margin, at most 1.
func clearShare(lead float64) float64 { return min(lead, clearMargin) / clearMargin }

// unclearOf returns how unclear a report is by the mean lead of its best columns, as a share of a clear margin.
func unclearOf(lead float64) float64 { return min(max((usualLead-lead)/(usualLead-unclearLead), 0), 1) }

// mention counts the tables whose names the attribute has completely: a loan's status names the table LOAN, but not
// LOAN_REPAYMENT.
func (r *Report) mention(q *request, mentions []float64) {
	for table, name := range r.ix.tableNames {
		isUnexplained := func(id int) bool { return q.explained[id] < minMentionedTable }
		if len(name) > 0 && !slices.ContainsFunc(name, isUnexplained) {
			mentions[table]++
		}
	}
}

// weighMentions raises the focus of the tables that the attributes name most.
func (r *Report) weighMentions(mentions []float64) {
	most := slices.Max(append(mentions, 1))
	for i, n := range mentions {
		r.focus[i] *= 1 + mentionShare*n/most
	}
}

// focusParents raises the focus of the tables to which the one that the report is about refers, directly or through
// others: each of its rows has one row of theirs, but many rows of a table that refers to it.
func (r *Report) focusParents() {
	if len(r.focus) == 0 {
		return
	}
	main := slices.Index(r.focus, slices.Max(r.focus))
	reached, seen := []int{main}, map[int]bool{main: true}
	for len(reached) > 0 {
		table := reached[0]
		reached = reached[1:]
		for _, parent := range r.ix.parents[table] {
			if !seen[parent] {
				seen[parent] = true
				r.focus[parent] = max(r.focus[parent], parentFocus)
				reached = append(reached, parent)
			}
		}
	}
}

// claim records the best column of an attribute. Its copies in other tables with nearly the same score share the focus,
// because they show nothing of what the report is about. If several columns score the same, none of them is claimed.
func (r *Report) claim(verdicts []verdict) {
	if len(verdicts) == 0 || verdicts[0].score < minScore {
		return
	}
	best := verdicts[0]
	r.leads, r.chosen = r.leads+clearShare(leadOf(verdicts)), r.chosen+1
	equal, alike, all := 1, []verdict{best}, best.score
	for _, v := range verdicts[1:] {
		if v.score < best.score*nearlyEqual {
			break
		}
		if v.score == best.score {
			equal++
		}
		if v.score == best.score || r.ix.columns[best.column].copies(&r.ix.columns[v.column]) {
			alike, all = append(alike, v), all+v.score
		}
	}
	for _, v := range alike {
		r.focus[r.ix.columns[v.column].tableNumber] += best.score * v.score / all
	}
	if equal == 1 {
		r.claims[best.column] = max(r.claims[best.column], best.score)
	}
}

// Rank returns the column that feeds an attribute of the report best, or that none does.
func (r *Report) Rank(a schema.Attribute) Ranking {
	w, _ := r.ix.workspaces.Get().(*workspace)
	defer func() {
		w.reset()
		r.ix.workspaces.Put(w)
	}()
	return w.rank(r.ix, &a, r)
}

// Candidates returns the positions of the columns that may feed an attribute of the report, the best first, at most n.
// Their order is that of [Report.Rank], and they include columns of which too little speaks to choose them.
func (r *Report) Candidates(a schema.Attribute, n int) []int {
	w, _ := r.ix.workspaces.Get().(*workspace)
	defer func() {
		w.reset()
		r.ix.workspaces.Put(w)
	}()
	w.compare(r.ix, &a, r)
	positions := make([]int, min(n, len(w.verdicts)))
	for i := range positions {
		positions[i] = r.ix.positions[w.verdicts[i].column]
	}
	return positions
}

// weigh adjusts the score of a column by the evidence of the whole report.
func (r *Report) weigh(v *verdict) {
	claim, c := r.claims[v.column], &r.ix.columns[v.column]
	if c.role != lookupTable { // which belongs to the tables that refer to it
		v.score *= 1 - focusShare + focusShare*r.focus[c.tableNumber]
	}
	if claim > v.score+claimMargin {
		v.score *= afterClaim
		v.claimed = true
	}
}

// workspace is the memory of one call of Rank, reused by later calls.
type workspace struct {
	request  request
	promises promises
	answered []float64
	verdicts []verdict
}

func newWorkspace(columns, terms int) *workspace {
	return &workspace{request: newRequest(terms), promises: newPromises(columns)}
}

func (w *workspace) reset() {
	w.request.reset()
	w.promises.reset()
	w.verdicts = w.verdicts[:0]
}

// compare reads an attribute, shortlists columns and scores them. The report may be nil.
func (w *workspace) compare(ix *Index, a *schema.Attribute, report *Report) {
	w.request.read(ix, a)
	s := scorer{ix: ix, request: &w.request, answered: w.answered}
	for _, number := range w.promises.shortlist(ix, &w.request) {
		v := s.score(number)
		if report != nil {
			report.weigh(&v)
		}
		w.verdicts = append(w.verdicts, v)
	}
	w.answered = s.answered
	slices.SortFunc(w.verdicts, func(a, b verdict) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.column, b.column))
	})
}

// rank compares the columns with an attribute and explains the result. The report may be nil.
func (w *workspace) rank(ix *Index, a *schema.Attribute, report *Report) Ranking {
	w.compare(ix, a, report)
	x := explainer{ix: ix, request: &w.request, verdicts: w.verdicts}
	if report != nil {
		x.unclear = report.unclear
	}
	if len(w.verdicts) == 0 || w.verdicts[0].score < minScore {
		return rankNothing(x)
	}
	return rankFirst(x)
}

// rankNothing returns the result if no column scores enough.
func rankNothing(x explainer) Ranking {
	r := Ranking{Column: -1, Unclear: x.unclear}
	if len(x.ix.columns) == 0 {
		r.Rationale = "Nothing could be compared: the report's data sources have no columns."
		return r
	}
	if len(x.verdicts) > 0 {
		r.Score = x.verdicts[0].score
	}
	certainty := min(maxCertainty, r.probability())
	r.Confidence, r.Rationale = percent(certainty), x.whyNothing()
	r.Alternatives = alternatives(x, x.verdicts, 1-certainty, r.Score)
	return r
}

// rankFirst returns the result if the first of the scored columns is chosen.
func rankFirst(x explainer) Ranking {
	best := x.verdicts[0]
	c := &x.ix.columns[best.column]
	r := Ranking{
		SourceField: c.field, Column: x.ix.positions[best.column], Score: best.score,
		MappingType: mappingType(x.ix, x.request, best),
	}
	margin := marginOf(x.ix, x.verdicts)
	r.Margin, r.Lead, r.Unclear = percent(margin), leadOf(x.verdicts), x.unclear
	certainty := min(maxCertainty, r.probability())
	r.Confidence, r.Rationale = percent(certainty), x.whyFirst(margin)
	r.Alternatives = alternatives(x, x.verdicts[1:], certainty, best.score)
	return r
}

// mappingType returns how a column feeds the attribute: by the kinds of value, or through a lookup table if the
// column is in one, or if one has the letters that become the form's number.
func mappingType(ix *Index, r *request, v verdict) schema.MappingType {
	c := &ix.columns[v.column]
	if c.role == lookupTable || v.how == schema.MappingTypeDirect && r.isNumberOf(c) && ix.explainsCode(c) {
		return schema.MappingTypeLookup
	}
	return v.how
}

// alternatives returns the columns that were not chosen. Their scores are shares of a certainty, which fall with the
// square of the evidence compared with the best.
func alternatives(x explainer, verdicts []verdict, certainty, best float64) []schema.Alternative {
	n := 0
	for n < len(verdicts) && n < maxAlternatives && verdicts[n].score >= minAlternative {
		n++
	}
	if n == 0 {
		return nil
	}
	all := make([]schema.Alternative, n)
	for i, v := range verdicts[:n] {
		all[i] = schema.Alternative{
			SourceField: x.ix.columns[v.column].field, Score: percent(certainty * v.score * v.score / (best * best)),
			Reason: x.whyNot(v),
		}
	}
	return all
}

// marginOf returns the difference between the score of the first verdict and that of the next one about another
// element.
func marginOf(ix *Index, verdicts []verdict) float64 {
	best := verdicts[0]
	for _, v := range verdicts[1:] {
		if best.score-v.score >= clearMargin || !ix.columns[best.column].copies(&ix.columns[v.column]) {
			return best.score - v.score
		}
	}
	return best.score
}

// leadOf returns the difference between the scores of the first two verdicts.
func leadOf(verdicts []verdict) float64 {
	if len(verdicts) == 1 {
		return verdicts[0].score
	}
	return verdicts[0].score - verdicts[1].score
}

// percent returns a share as a whole number from 0 to 99.
func percent(share float64) int {
	return int(min(max(share, 0), 0.99)*100 + 0.5)
}

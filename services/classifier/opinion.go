package classifier

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// maxCandidates is the number of columns that a model chooses from.
const maxCandidates = 40

const (
	// unsureColumn and unsureClass are the confidences below which the rules are unsure, so that hybrid asks the model.
	unsureColumn, unsureClass = 85, 70
	// sureTier is the confidence from which a tier of the rules is a lower limit for the model's.
	sureTier = 60
)

// doubt returns why the model is asked about a proposal: the job asks it about every mapping, or the rules are unsure
// or contradict themselves. It returns an empty string if the model is not asked.
func doubt(work schema.Work, p proposal) string {
	switch {
	case work.Classifier == schema.ClassifierLLM:
		return "the job asks the model about every mapping"
	case work.JobType.Maps() && p.chosen.Confidence < unsureColumn:
		return fmt.Sprintf("the ranking of the columns is unsure (%d)", p.chosen.Confidence)
	case p.answer.Rule == "":
		return "no rule fits"
	case p.answer.Confidence < unsureClass:
		return fmt.Sprintf("the rules are unsure of the class (%d)", p.answer.Confidence)
	case p.answer.Raised != nil:
		return fmt.Sprintf("the column would be %s and the attribute %s", p.answer.Raised.To, p.answer.Raised.From)
	default:
		return ""
	}
}

// question returns what the model is asked for the work, the positions of its candidates, and the tables that the model
// names first, if it does.
func question(from *candidates, work schema.Work, chosen choice) (llm.Question, []int, []tableKey) {
	q := llm.Question{Report: from.report, Attribute: work.Attribute, Maps: work.JobType.Maps()}
	if !q.Maps {
		q.Column = columnOf(from, work.Mapping)
		return q, nil, nil
	}
	positions := from.ranking.Candidates(work.Attribute, maxCandidates)
	if chosen.SourceField != "" && !slices.Contains(positions, chosen.Column) {
		positions = append(positions, chosen.Column) // a person has confirmed it for the same attribute elsewhere
	}
	positions = withNeighbours(from, positions)
	for _, i := range positions {
		q.Candidates = append(q.Candidates, from.columns[i])
	}
	tables := tablesFor(from, work.Attribute, chosen)
	q.Tables = listTables(from, tables)
	return q, positions, tables
}

// withNeighbours adds columns to the candidates until there are enough: the other columns of their tables, the tables
// of the best ones first, and, if the report has few columns, all others. Their names do not resemble that of
// the attribute, but a model may know that they mean it.
func withNeighbours(from *candidates, positions []int) []int {
	has := make(map[int]bool, maxCandidates)
	for _, i := range positions {
		has[i] = true
	}
	add := func(all ...int) {
		for _, i := range all {
			if !has[i] && len(positions) < maxCandidates {
				has[i] = true
				positions = append(positions, i)
			}
		}
	}
	for _, i := range slices.Clone(positions) {
		add(from.byTable[tableOf(from.columns[i])]...)
	}
	if len(from.columns) <= maxCandidates {
		for i := range from.columns {
			add(i)
		}
	}
	return positions
}

// chooseByModel returns the model's choice of a column. The rules' choice counts as evidence, and is the first
// alternative if it differs.
func chooseByModel(
	from *candidates, attribute schema.Attribute, byRules choice, o llm.Opinion, positions []int,
) choice {
	chosen := byRules
	column, field := -1, ""
	if o.Column != nil {
		column = positions[*o.Column]
		field = from.columns[column].SourceField()
	}
	if field == byRules.SourceField {
		chosen.Confidence = o.ColumnConfidence(llm.AgreementFull, byRules.Confidence)
		chosen.Rationale = "The model: " + o.ColumnReason + " The ranking agrees: " + byRules.Rationale
		return chosen
	}
	chosen = choice{Ranking: columns.Ranking{
		SourceField: field, Column: column, Alternatives: byRules.Alternatives,
		Confidence: o.ColumnConfidence(llm.AgreementNone, byRules.Confidence),
	}}
	if field != "" {
		chosen.MappingType = *o.MappingType
		chosen.describe(from, attribute)
	}
	chosen.Rationale = fmt.Sprintf("The model: %s The ranking differs. It chose %s (%d): %s", o.ColumnReason,
		columnName(byRules.SourceField), byRules.Confidence, byRules.Rationale)
	chosen.Alternatives = slices.DeleteFunc(slices.Clone(chosen.Alternatives), func(a schema.Alternative) bool {
		return a.SourceField == field
	})
	if byRules.SourceField != "" {
		chosen.Alternatives = slices.Insert(chosen.Alternatives, 0, schema.Alternative{
			SourceField: byRules.SourceField, Score: byRules.Confidence, Reason: "It ranks first by its name.",
		})
		chosen.Alternatives = chosen.Alternatives[:min(len(chosen.Alternatives), maxAlternatives)]
	}
	return chosen
}

func columnName(field string) string {
	if field == "" {
		return "no column"
	}
	return field
}

// classByModel returns the model's classification, with a confidence that follows from the agreement with the rules.
func classByModel(byRules rules.Answer, o llm.Opinion) rules.Answer {
	answer := byRules
	answer.Classification = classOf(o)
	answer.RegulatoryReferences = referencesOf(byRules, o)
	differs := differences(byRules.Classification, answer.Classification)
	agreement := classAgreement(byRules, o)
	answer.Confidence = o.ClassConfidence(agreement, byRules.Confidence)
	switch agreement {
	case llm.AgreementAlone:
		answer.Rationale = "The model: " + o.ClassReason + " No rule of the policy fits."
	case llm.AgreementFull:
		answer.Rationale = "The model: " + o.ClassReason + " The rules agree: " + byRules.Rationale
	case llm.AgreementPartial:
		answer.Rationale = fmt.Sprintf("The model: %s The rules agree on the tier and differ in %s: %s", o.ClassReason,
			strings.Join(differs, ", "), byRules.Rationale)
	default:
		answer.Rationale = fmt.Sprintf("The model: %s The rules differ in %s: %s", o.ClassReason,
			strings.Join(differs, ", "), byRules.Rationale)
		keepProtection(&answer, byRules)
	}
	return answer
}

// classAgreement compares the model's class with that of the rules.
func classAgreement(byRules rules.Answer, o llm.Opinion) llm.Agreement {
	switch byModel := classOf(o); {
	case byRules.Rule == "":
		return llm.AgreementAlone
	case byModel == byRules.Classification:
		return llm.AgreementFull
	case o.Tier == byRules.InformationSecurityClassification:
		return llm.AgreementPartial
	default:
		return llm.AgreementNone
	}
}

func classOf(o llm.Opinion) schema.Classification {
	return schema.Classification{
		InformationSecurityClassification: o.Tier, Criticality: o.Criticality, RiskLevel: o.RiskLevel,
		RegulatoryFlag: o.Regulatory, PIIFlag: o.Personal,
	}
}

// keepProtection keeps the tier of sure rules if the model's protects less, until a person decides.
func keepProtection(answer *rules.Answer, byRules rules.Answer) {
	tier := byRules.InformationSecurityClassification
	if byRules.Confidence < sureTier || !tier.Protects(answer.InformationSecurityClassification) {
		return
	}
	answer.Rationale += fmt.Sprintf(" The model's tier %s protects less, so %s stays until a person decides.",
		answer.InformationSecurityClassification, tier)
	answer.InformationSecurityClassification = tier
	if byRules.RiskLevel.Above(answer.RiskLevel) {
		answer.RiskLevel = byRules.RiskLevel
	}
	answer.PIIFlag = answer.PIIFlag || byRules.PIIFlag
}

// referencesOf returns the regulatory references of the rules and those that only the model names.
func referencesOf(byRules rules.Answer, o llm.Opinion) []string {
	if !o.Regulatory {
		return nil
	}
	all := slices.Clone(byRules.RegulatoryReferences)
	for _, law := range o.LawTexts {
		if !slices.Contains(all, law) {
			all = append(all, law)
		}
	}
	return all
}

// differences names the fields in which two classifications differ, with both values.
func differences(byRules, byModel schema.Classification) (differs []string) {
	note := func(field string, a, b any) {
		if a != b {
			differs = append(differs, fmt.Sprintf("%s (rules %v, model %v)", field, a, b))
		}
	}
	note("tier", byRules.InformationSecurityClassification, byModel.InformationSecurityClassification)
	note("criticality", byRules.Criticality, byModel.Criticality)
	note("risk", byRules.RiskLevel, byModel.RiskLevel)
	note("regulatory flag", byRules.RegulatoryFlag, byModel.RegulatoryFlag)
	note("personal flag", byRules.PIIFlag, byModel.PIIFlag)
	return differs
}

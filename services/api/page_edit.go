package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// registerEditForms registers the forms with which people edit mappings.
func (s *Server) registerEditForms() {
	path := reportPagePath + "/mappings/{id}"
	s.page(Tester, http.MethodGet, path+"/edit", s.editPage)
	s.page(Tester, http.MethodPost, path+"/edit", s.editForm)
	s.page(Tester, http.MethodPost, path+"/accept", s.acceptForm)
}

func (s *Server) editPage(ctx context.Context, r *http.Request) (reply, error) {
	in := mappingOf(r)
	m, err := schema.GetMapping(ctx, s.db, in.CycleID, in.ReportID, in.ID)
	if err != nil {
		return reply{}, s.missingError(ctx, in.ReportPath, "mapping", err)
	}
	return reply{view: newEditView(ctx, m, backOf(r, in))}, nil
}

// backOf returns the page to return to from a page of the mapping.
func backOf(r *http.Request, in MappingPath) string {
	return cmp.Or(localPath(r.Form.Get("back")),
		desk.ReportURL(in.CycleID, in.ReportID)+"?m="+url.QueryEscape(in.ID))
}

// formField is a field of the form. Its name is that of a field of [EditBody].
type formField struct {
	name  string
	value func(schema.Mapping) string
	// choices are the values of a list; nil for a text. A list cannot be emptied.
	choices []string
	// long and mono are those of [desk.EditField].
	long, mono bool
}

// formFields are the fields of the form in its order.
func formFields() []formField {
	flags := []string{"true", "false"}
	return []formField{
		{name: "source_field", mono: true, value: func(m schema.Mapping) string { return m.SourceField }},
		{
			name: "mapping_type", choices: textsOf(schema.MappingTypes()),
			value: func(m schema.Mapping) string { return string(m.MappingType) },
		},
		{name: "transformation_rule", long: true, value: func(m schema.Mapping) string { return m.TransformationRule }},
		{
			name: "information_security_classification", choices: textsOf(schema.Tiers()),
			value: func(m schema.Mapping) string { return string(m.InformationSecurityClassification) },
		},
		{
			name: "criticality", choices: textsOf(schema.Levels()),
			value: func(m schema.Mapping) string { return string(m.Criticality) },
		},
		{
			name: "risk_level", choices: textsOf(schema.Levels()),
			value: func(m schema.Mapping) string { return string(m.RiskLevel) },
		},
		{
			name: "regulatory_flag", choices: flags,
			value: func(m schema.Mapping) string { return flagText(m.RegulatoryFlag) },
		},
		{
			name: "pii_flag", choices: flags,
			value: func(m schema.Mapping) string { return flagText(m.PIIFlag) },
		},
		{name: "business_process", value: func(m schema.Mapping) string { return m.BusinessProcess }},
		{name: "business_owner", value: func(m schema.Mapping) string { return m.BusinessOwner }},
		{name: "data_steward", value: func(m schema.Mapping) string { return m.DataSteward }},
	}
}

func textsOf[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}

func flagText(flag *bool) string {
	if flag == nil {
		return ""
	}
	return strconv.FormatBool(*flag)
}

// newEditView returns the form with the values of the mapping.
func newEditView(ctx context.Context, m schema.ListedMapping, back string) desk.Edit {
	view := desk.Edit{Caller: callerView(ctx), ListedMapping: m, Back: back}
	for _, field := range formFields() {
		value := field.value(m.Mapping)
		shown := desk.EditField{
			Name: field.name, Label: desk.FieldName(field.name), Value: value, Saved: value, Choices: field.choices,
			Long: field.long, Mono: field.mono,
		}
		if field.choices != nil && value == "" {
			shown.Choices = slices.Insert(slices.Clone(field.choices), 0, "")
		}
		if field.name == "source_field" {
			for _, alternative := range m.AlternativeMappings {
				shown.Suggestions = append(shown.Suggestions, alternative.SourceField)
			}
		}
		view.Fields = append(view.Fields, shown)
	}
	return view
}

// editForm sets the fields of a form that differ from what it was opened with. If the mapping has changed since, it
// shows the form again, with the changes of the others and the values of the user.
func (s *Server) editForm(ctx context.Context, r *http.Request) (reply, error) {
	comment, err := commentOf(r)
	if err != nil {
		return reply{}, err
	}
	in := mappingOf(r)
	body, err := editBodyOf(r.PostForm)
	if err != nil {
		return reply{}, err
	}
	body.Comment = comment
	_, err = s.editMapping(ctx, &editInput{MappingPath: in, IfMatch: IfMatch{r.PostForm.Get("version")}, Body: body})
	p, refused := errors.AsType[*Problem](err)
	if !refused || p.Status != http.StatusPreconditionFailed && p.Status != http.StatusUnprocessableEntity {
		return decided(r, in, ""), err
	}
	view, err := s.refusedEdit(ctx, r, in, p)
	return reply{view: view, status: p.Status}, err
}

// editBodyOf returns the edit of a form: the fields whose value differs from what the form was opened with.
func editBodyOf(form url.Values) (body EditBody, err error) {
	changed := map[string]any{}
	for _, field := range formFields() {
		name, value := field.name, normal(form.Get(field.name))
		if !form.Has(name) || form.Has("was."+name) && normal(form.Get("was."+name)) == value {
			continue
		}
		switch {
		case !isText(value):
			return body, newFieldProblem(name, "must be a text")
		case field.choices != nil && value == "":
			return body, newFieldProblem(name, "must have a value")
		case field.choices != nil && !slices.Contains(field.choices, value):
			return body, newFieldProblem(name, fmt.Sprintf("must be one of %v", field.choices))
		case name == "regulatory_flag" || name == "pii_flag":
			changed[name] = value == "true"
		default:
			changed[name] = value
		}
	}
	text, err := json.Marshal(changed)
	if err == nil {
		err = json.Unmarshal(text, &body)
	}
	if err != nil {
		return body, fmt.Errorf("edit of the form: %w", err)
	}
	return body, nil
}

// normal returns the text of a form with plain line ends: browsers send those of MIME.
func normal(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// refusedEdit returns the form again after it was refused, with the values of the user.
func (s *Server) refusedEdit(ctx context.Context, r *http.Request, in MappingPath, p *Problem) (desk.Edit, error) {
	m, err := schema.GetMapping(ctx, s.db, in.CycleID, in.ReportID, in.ID)
	if err != nil {
		return desk.Edit{}, s.missingError(ctx, in.ReportPath, "mapping", err)
	}
	view := newEditView(ctx, m, backOf(r, in))
	view.Problem, view.Comment = p.Detail, r.PostForm.Get("comment")
	for i, field := range view.Fields {
		typed, was := normal(r.PostForm.Get(field.Name)), normal(r.PostForm.Get("was."+field.Name))
		if r.PostForm.Has(field.Name) && typed != was {
			view.Fields[i].Value = typed
		}
	}
	for _, e := range p.Errors {
		view.Mistakes = append(view.Mistakes, desk.Mistake{Location: e.Location, Message: e.Message})
	}
	for _, change := range p.Changes {
		for _, field := range change.Fields {
			shown := func(f formField) bool { return f.name == field.Field }
			if slices.ContainsFunc(formFields(), shown) || field.Field == "review_status" {
				view.Changes = append(view.Changes, desk.EditChange{
					By: change.ChangedBy, Field: desk.FieldName(field.Field), Version: change.Version,
					Before: desk.Plain(field.Before), After: desk.Plain(field.After),
				})
			}
		}
	}
	return view, nil
}

// acceptForm accepts the suggestions of the last job.
func (s *Server) acceptForm(ctx context.Context, r *http.Request) (reply, error) {
	in := mappingOf(r)
	_, err := s.acceptSuggestion(ctx, &acceptInput{MappingPath: in, IfMatch: IfMatch{r.PostForm.Get("version")}})
	return decided(r, in, ""), err
}

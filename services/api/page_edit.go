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

// newEditView returns the form with the values of the mapping.
func newEditView(ctx context.Context, m schema.ListedMapping, back string) desk.Edit {
	view := desk.Edit{Caller: callerView(ctx), ListedMapping: m, Back: back}
	add := func(name, value string, choices ...string) *desk.EditField {
		view.Fields = append(view.Fields, desk.EditField{
			Name: name, Label: desk.FieldName(name), Value: value, Saved: value, Choices: choices,
		})
		return &view.Fields[len(view.Fields)-1]
	}
	column := add("source_field", m.SourceField)
	column.Mono = true
	for _, alternative := range m.AlternativeMappings {
		column.Suggestions = append(column.Suggestions, alternative.SourceField)
	}
	add("mapping_type", string(m.MappingType), choices(m.MappingType, schema.MappingTypes())...)
	add("transformation_rule", m.TransformationRule).Long = true
	add("information_security_classification", string(m.InformationSecurityClassification),
		choices(m.InformationSecurityClassification, schema.Tiers())...)
	add("criticality", string(m.Criticality), choices(m.Criticality, schema.Levels())...)
	add("risk_level", string(m.RiskLevel), choices(m.RiskLevel, schema.Levels())...)
	add("regulatory_flag", flagText(m.RegulatoryFlag), choices(flagText(m.RegulatoryFlag), flags())...)
	add("pii_flag", flagText(m.PIIFlag), choices(flagText(m.PIIFlag), flags())...)
	add("business_process", m.BusinessProcess)
	add("business_owner", m.BusinessOwner)
	add("data_steward", m.DataSteward)
	return view
}

// choices returns the values as texts, with an empty one first if there is no value yet.
func choices[T ~string](current T, values []T) []string {
	var texts []string
	if current == "" {
		texts = append(texts, "")
	}
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return texts
}

func flags() []string { return []string{"true", "false"} }

func flagText(flag *bool) string {
	if flag == nil {
		return ""
	}
	return fmt.Sprint(*flag)
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

// formFields are the names of the fields of the form. Those that are true have no empty value.
func formFields() map[string]bool {
	return map[string]bool{
		"source_field": false, "mapping_type": true, "transformation_rule": false,
		"information_security_classification": true, "criticality": true, "risk_level": true, "regulatory_flag": true,
		"pii_flag": true, "business_process": false, "business_owner": false, "data_steward": false,
	}
}

// editBodyOf returns the edit of a form: the fields whose value differs from what the form was opened with.
func editBodyOf(form url.Values) (body EditBody, err error) {
	changed := map[string]any{}
	for name, required := range formFields() {
		if !form.Has(name) || form.Has("was."+name) && normal(form.Get("was."+name)) == normal(form.Get(name)) {
			continue
		}
		value := normal(form.Get(name))
		switch {
		case !isText(value):
			return body, newFieldProblem(name, "must be a text")
		case required && value == "":
			return body, newFieldProblem(name, "must have a value")
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
	return body, body.check()
}

// check returns a [Problem] for a value that a field cannot have. For the JSON route, the document requires the same.
func (b EditBody) check() error {
	return errors.Join(
		oneOf("mapping_type", b.MappingType, schema.MappingTypes()),
		oneOf("information_security_classification", b.InformationSecurityClassification, schema.Tiers()),
		oneOf("criticality", b.Criticality, schema.Levels()), oneOf("risk_level", b.RiskLevel, schema.Levels()),
	)
}

func oneOf[T ~string](name string, value *T, allowed []T) error {
	if value == nil || slices.Contains(allowed, *value) {
		return nil
	}
	return newFieldProblem(name, fmt.Sprintf("must be one of %v", allowed))
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
			if _, shown := formFields()[field.Field]; shown || field.Field == "review_status" {
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

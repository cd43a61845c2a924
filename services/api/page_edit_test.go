package api

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestFormFields_AreFieldsOfAnEdit(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for field := range reflect.TypeFor[EditBody]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = true
	}
	for _, field := range formFields() {
		if !known[field.name] {
			t.Errorf("got the field %s in the form, want only fields of EditBody", field.name)
		}
	}
}

func TestEditBodyOf(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		form url.Values
		// want is the JSON of the edit, or what its problem has.
		want string
	}{
		"a field that did not change": {
			url.Values{"business_owner": {"risk"}, "was.business_owner": {"risk"}}, `{}`,
		},
		"line ends of a browser": {
			url.Values{"transformation_rule": {"a\r\nb"}, "was.transformation_rule": {"a\nb"}}, `{}`,
		},
		"a text, a value of a list and a flag": {
			url.Values{
				"business_owner": {"risk"}, "was.business_owner": {""}, "criticality": {"Low"}, "pii_flag": {"false"},
				"was.pii_flag": {""},
			},
			`{"business_owner":"risk","criticality":"Low","pii_flag":false}`,
		},
		"an empty text removes the value": {
			url.Values{"data_steward": {""}, "was.data_steward": {"cards"}}, `{"data_steward":""}`,
		},
		"an empty list": {
			url.Values{"risk_level": {""}, "was.risk_level": {"Low"}}, "risk_level: must have a value",
		},
		"a value of no list":    {url.Values{"risk_level": {"Huge"}}, "risk_level: must be one of [High Medium Low]"},
		"a flag of no list":     {url.Values{"pii_flag": {"maybe"}}, "pii_flag: must be one of [true false]"},
		"a text with zeros":     {url.Values{"business_owner": {"a\x00"}}, "business_owner: must be a text"},
		"a field of no mapping": {url.Values{"version": {"2"}, "id": {"x"}}, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := editBodyOf(tt.form)
			text, _ := json.Marshal(body)
			got := string(text)
			if p, refused := errors.AsType[*Problem](err); refused {
				got = p.Detail
			}
			if got != tt.want {
				t.Errorf("editBodyOf: got %s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
)

func TestMapping_ShowsEveryColumn(t *testing.T) {
	t.Parallel()
	want := []string{"attribute_name"}
	for field := range reflect.TypeFor[schema.Mapping]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("bun"), ",")
		internal := []string{"", "cycle_id", "report_id", "input_hash"}
		if field.Name != "BaseModel" && !slices.Contains(internal, name) {
			want = append(want, name)
		}
	}
	var got []string
	for field := range reflect.TypeFor[Mapping]().Fields() {
		got = append(got, field.Tag.Get("json"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns of the row and fields of the JSON (-row +JSON):\n%s", diff)
	}
}

// TestNewMapping_SetsEveryField fills a row and checks that the JSON has a value for each of its columns.
func TestNewMapping_SetsEveryField(t *testing.T) {
	t.Parallel()
	var row schema.ListedMapping
	fill(reflect.ValueOf(&row).Elem())
	shown := reflect.ValueOf(newMapping(row))
	for field := range shown.Type().Fields() {
		value := shown.FieldByIndex(field.Index)
		if value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0 {
			t.Errorf("%s: got nothing for a row with a value", field.Name)
		}
	}
}

// fill sets every field to a value that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Struct:
		if at, ok := v.Addr().Interface().(*time.Time); ok {
			*at = time.Unix(1, 0)
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	default:
	}
}

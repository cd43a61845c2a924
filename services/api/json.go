package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat reads and writes JSON as huma does, but says of what it cannot read only where it is wrong, not what stands there.
func jsonFormat() huma.Format {
	return huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
}

func unmarshal(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("it is not JSON from byte %d on", syntax.Offset)
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("at byte %d stands what cannot be a %s", kind.Offset, kind.Type)
	}
	if err != nil {
		return errors.New("it is not JSON")
	}
	if bytes.Contains(data, []byte(`\u0000`)) && holdsNUL(v) {
		return errors.New("a text holds the character NUL, which cannot be kept")
	}
	return nil
}

// holdsNUL looks through what huma decodes first, before it knows the types.
func holdsNUL(v any) bool {
	switch v := v.(type) {
	case *any:
		return holdsNUL(*v)
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		return slices.ContainsFunc(v, holdsNUL)
	case map[string]any:
		for key, value := range v {
			if strings.ContainsRune(key, 0) || holdsNUL(value) {
				return true
			}
		}
	}
	return false
}

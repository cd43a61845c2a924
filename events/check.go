package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// checkID reports a field that is not the id of a job or a mapping.
func checkID(field, id string) error {
	if err := CheckID(id); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

// optionalID reports a field that is set and is not an id.
func optionalID(field string, id *string) error {
	if id == nil {
		return nil
	}
	return checkID(field, *id)
}

// required reports an empty field.
func required(field, value string) error {
	if value == "" {
		return errors.New(field + " is missing")
	}
	return nil
}

// oneOf reports a value that is not in the list. The error does not repeat the value, which may be anything
// and would reach the logs.
func oneOf[T ~string](field string, value T, values []T) error {
	if !slices.Contains(values, value) {
		return fmt.Errorf("%s is not one of %q", field, values)
	}
	return nil
}

// notNegative reports a number below zero.
func notNegative[T int | int64 | float64](field string, value T) error {
	if value < 0 {
		return fmt.Errorf("%s is negative", field)
	}
	return nil
}

// positive reports a number that is missing or not above zero.
func positive(field string, value int64) error {
	if value <= 0 {
		return errors.New(field + " is missing")
	}
	return nil
}

// isObject reports a field that is not a JSON object.
func isObject(field string, value json.RawMessage) error {
	if !bytes.HasPrefix(bytes.TrimSpace(value), []byte("{")) {
		return errors.New(field + " is not an object")
	}
	return nil
}

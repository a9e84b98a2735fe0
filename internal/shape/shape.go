// Package shape reads what JSON has of one value into a type of the same shape: the public packages have types of their
// own for what internal ones report.
package shape

import (
	"encoding/json"
	"fmt"
)

// Into gives a T with what JSON has of an internal value: a report is, by definition, what docs/json.md says of it.
// The tests of package stack hold the types against each other.
func Into[T any](internal any) (T, error) {
	var out T
	text, err := json.Marshal(internal)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		return out, fmt.Errorf("reporting: %w", err)
	}
	return out, nil
}

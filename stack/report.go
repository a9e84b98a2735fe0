package stack

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// shaped reads what JSON has of an internal value into the type of this package that has its shape: a report is, by
// definition, what docs/json.md says of it. TestShapes holds the types against each other.
func shaped[T any](internal any) (T, error) {
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

// printed is how a report prints itself; a report that this package did not make prints nothing.
type printed func(*ui.Out)

func (p printed) to(w io.Writer) {
	if p != nil {
		p(ui.New(w))
	}
}

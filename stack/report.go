package stack

import (
	"io"

	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// shaped reads what JSON has of an internal value into the type of this package that has its shape. TestShapes holds
// the types against each other.
func shaped[T any](internal any) (T, error) { return shape.Into[T](internal) }

// printed is how a report prints itself; a report that this package did not make prints nothing.
type printed func(*ui.Out)

func (p printed) to(w io.Writer) {
	if p != nil {
		p(ui.New(w))
	}
}

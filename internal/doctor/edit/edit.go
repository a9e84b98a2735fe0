// Package edit owns the change of one key in a Compose file's text: made at the place of its YAML nodes, so that
// comments, order, anchors, indentation and line ends stay as they are, and proved by reading the new text again. It
// reads and writes no files, and knows no models.
package edit

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
)

// Refusal is an edit that is not made, since it could not be made without touching more.
type Refusal struct{ Why string }

// Error says why.
func (r *Refusal) Error() string { return r.Why }

func refuse(format string, args ...any) error { return &Refusal{Why: fmt.Sprintf(format, args...)} }

// Apply makes one edit of a Compose file's text. A text that is as the edit wants it comes back as it was. An error is
// a *Refusal.
func Apply(text []byte, e check.Edit) ([]byte, error) {
	d, err := read(text)
	if err != nil {
		return nil, err
	}
	at, err := d.walk(e.Path)
	if err != nil {
		return nil, err
	}
	var c change
	switch whole := len(at) == len(e.Path); {
	case e.Delete && !whole, e.Old == "" && !e.Delete && whole && is(at.value(), e.Value):
		return text, nil
	case e.Delete:
		c, err = d.deletion(at)
	case e.Old == "" && whole:
		return nil, refuse("%s is there by now", strings.Join(e.Path, "."))
	case e.Old == "":
		c, err = d.addition(at, e)
	case !whole:
		return nil, refuse("%s is not there any more", strings.Join(e.Path, "."))
	case is(at.value(), e.Value):
		return text, nil
	default:
		c, err = d.replacement(at, e)
	}
	if err != nil {
		return nil, err
	}
	return d.proved(c)
}

// change is a change of a document: the key that it is of, the value that it has then (nil: none), and the ways in
// which the text can be changed for that, the best first.
type change struct {
	path   []string
	wanted *value
	ways   [][]splice
}

// splice replaces the bytes from start to end.
type splice struct {
	start, end int
	text       string
}

// proved makes the change in the first way after which the document is as before but for that key.
func (d *document) proved(c change) ([]byte, error) {
	for _, way := range c.ways {
		slices.SortFunc(way, func(a, b splice) int { return cmp.Or(a.start-b.start, a.end-b.end) })
		var out bytes.Buffer
		out.Write(d.mark)
		from := 0
		for _, s := range way {
			out.Write(d.text[from:s.start])
			out.WriteString(s.text)
			from = s.end
		}
		out.Write(d.text[from:])
		after, err := read(out.Bytes())
		if err == nil && changed(d.root, after.root, c.path, c.wanted) {
			return out.Bytes(), nil
		}
	}
	return nil, refuse("the place of %s in the file is not clear enough to change that alone",
		strings.Join(c.path, "."))
}

package edit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"
)

// brackets are where a collection in flow style is in the text: from its opening bracket to the closing one, the end of
// the last thing that is no comment within, and whether there are comments.
type brackets struct {
	open, close, last int
	comments          bool
}

// bracketed finds the brackets of a node in flow style.
func (d *document) bracketed(n *yaml.Node) (b brackets, ok bool) {
	at, ok := d.offset(n)
	if !ok || n.Style&yaml.FlowStyle == 0 {
		return b, false
	}
	for at < len(d.text) && (d.text[at] == '&' || d.text[at] == '!') { // an anchor and a tag come before
		word := bytes.IndexAny(d.text[at:], " \t\r\n")
		if word < 0 {
			return b, false
		}
		at += word
		at += len(d.text[at:]) - len(bytes.TrimLeft(d.text[at:], " \t\r\n"))
	}
	if at >= len(d.text) || d.text[at] != '{' && d.text[at] != '[' {
		return b, false
	}
	b.open = at
	return d.closed(b)
}

// closed reads on from an opening bracket to the one that closes it.
func (d *document) closed(b brackets) (brackets, bool) {
	depth := 0
	before := byte(0) // the last byte that is no space
	for at := b.open; at < len(d.text); at++ {
		c := d.text[at]
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			continue
		case c == '#' && strings.IndexByte(" \t\r\n", d.text[at-1]) >= 0:
			b.comments = true
			line := bytes.IndexAny(d.text[at:], "\r\n")
			if line < 0 {
				return b, false
			}
			at += line - 1
			continue
		case (c == '"' || c == '\'') && strings.IndexByte("{[,:?", before) >= 0:
			end, ok := d.quoted(at)
			if !ok {
				return b, false
			}
			at = end - 1
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			if depth--; depth == 0 {
				b.close = at
				return b, true
			}
		}
		before, b.last = d.text[at], at+1
	}
	return b, false
}

// quoted gives the end of a text in quotes.
func (d *document) quoted(at int) (end int, ok bool) {
	quote := d.text[at]
	for at++; at < len(d.text); at++ {
		switch {
		case quote == '"' && d.text[at] == '\\':
			at++
		case d.text[at] == quote && quote == '\'' && at+1 < len(d.text) && d.text[at+1] == quote:
			at++
		case d.text[at] == quote:
			return at + 1, true
		}
	}
	return 0, false
}

// scalar gives where a scalar that is on one line is in the text.
func (d *document) scalar(n *yaml.Node) (start, end int, ok bool) {
	start, ok = d.offset(n)
	if !ok || n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || start >= len(d.text) {
		return 0, 0, false
	}
	switch {
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		end, ok = d.quoted(start)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || n.Value == "":
		return 0, 0, false
	default:
		end = start + len(n.Value)
		ok = bytes.HasPrefix(d.text[start:], []byte(n.Value))
	}
	return start, end, ok && end <= d.lines[n.Line-1].end
}

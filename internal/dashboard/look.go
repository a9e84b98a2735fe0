package dashboard

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// look is how a piece of text is shown, as parameters of the terminal's sequence for it (SGR).
type look struct{ attribute, colour string }

// The looks. The colours are of the sixteen that every terminal has, and a reader can choose.
var (
	ordinary = look{}
	strong   = look{attribute: "1"}
	good     = look{colour: "32"}
	bad      = look{colour: "31"}
	warn     = look{colour: "33"}
	mark     = look{colour: "36"}
	quiet    = look{colour: "90"}
)

// piece is a part of a line.
type piece struct {
	text string
	look look
}

// line is one line of the screen before it is cut to its width.
type line []piece

// own is a piece with text of ours.
func own(text string, l look) piece { return piece{text, l} }

// from is a piece with text from outside, on one line and without effect on a terminal.
func from(text string, l look) piece { return piece{shown(text), l} }

// shown gives text from outside as one line to which every terminal gives the same width. What is only wide together
// with its neighbours, such as a flag or a face with the tone of its skin, is not: terminals that count characters
// one by one, and those that count what is seen, would disagree on where the next cell begins.
func shown(text string) string {
	text = printable.Line(text)
	if ansi.StringWidth(text) == ansi.StringWidthWc(text) {
		return text
	}
	var b strings.Builder
	for text != "" {
		cluster, width := ansi.FirstGraphemeCluster(text, ansi.GraphemeWidth)
		if width == ansi.StringWidthWc(cluster) {
			b.WriteString(cluster)
		} else {
			b.WriteByte('?')
		}
		text = text[len(cluster):]
	}
	return b.String()
}

// painter turns lines into what is sent to the terminal.
type painter struct{ colour bool }

// paint gives the line in exactly width cells; a chosen one is shown in reverse.
func (p painter) paint(l line, width int, chosen bool) string {
	var b strings.Builder
	left := width
	for _, piece := range l {
		text := piece.text
		if w := ansi.StringWidth(text); w > left {
			text = ansi.Truncate(text, left, "…")
		}
		left -= ansi.StringWidth(text)
		p.write(&b, text, piece.look, chosen)
		if left <= 0 {
			break
		}
	}
	if left > 0 {
		p.write(&b, strings.Repeat(" ", left), ordinary, chosen)
	}
	return b.String()
}

func (p painter) write(b *strings.Builder, text string, l look, chosen bool) {
	if text == "" {
		return
	}
	codes := make([]string, 0, 3)
	if l.attribute != "" {
		codes = append(codes, l.attribute)
	}
	if l.colour != "" && p.colour {
		codes = append(codes, l.colour)
	}
	if chosen {
		codes = append(codes, "7")
	}
	if len(codes) == 0 {
		b.WriteString(text)
		return
	}
	b.WriteString("\x1b[" + strings.Join(codes, ";") + "m" + text + "\x1b[m")
}

// paintAll gives height lines of width cells; those that are not there are empty.
func (p painter) paintAll(lines []line, width, height int) []string {
	out := make([]string, height)
	for i := range out {
		if i < len(lines) {
			out[i] = p.paint(lines[i], width, false)
		} else {
			out[i] = strings.Repeat(" ", max(0, width))
		}
	}
	return out
}

// cell is a piece in width cells: cut where it is longer, else with spaces after it, or before it where right is
// true.
func cell(p piece, width int, right bool) piece {
	w := ansi.StringWidth(p.text)
	if w > width {
		p.text = ansi.Truncate(p.text, width, "…")
		w = ansi.StringWidth(p.text)
	}
	space := strings.Repeat(" ", width-w)
	if right {
		p.text = space + p.text
	} else {
		p.text += space
	}
	return p
}

// wrapped breaks a text from outside into lines of at most width cells; the first has lead before it, the others as
// many spaces, and two at least.
func wrapped(lead piece, text string, l look, width int) []line {
	indent := max(2, ansi.StringWidth(lead.text))
	var out []line
	for i, part := range strings.Split(ansi.Wrap(shown(text), max(1, width-indent), "/"), "\n") {
		first := lead
		if i > 0 {
			first = own(strings.Repeat(" ", indent), ordinary)
		}
		out = append(out, line{first, own(part, l)})
	}
	return out
}

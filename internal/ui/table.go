package ui

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/moby/term"
)

// What a column keeps of its cells before a table becomes a list of records: the first says what a row is about, and
// numbers are no longer than least.
const (
	leastOfFirst = 14
	least        = 8
)

// within is a writer whose reader sees a known number of columns.
type within struct {
	io.Writer
	columns int
}

// Within gives a writer to w for which tables are made as for a terminal of so many columns; 0 is no limit.
func Within(w io.Writer, columns int) io.Writer { return within{w, columns} }

// Columns is how many columns w's reader sees; 0 where w is no terminal: nothing is cut there.
func Columns(w io.Writer) int {
	_, columns := size(w)
	return columns
}

// size gives a terminal's rows and columns; zeros where w is none.
func size(w io.Writer) (rows, columns int) {
	w = unfiltered(w)
	if known, ok := w.(within); ok {
		return 0, known.columns
	}
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	s, err := term.GetWinsize(f.Fd())
	if err != nil { // no terminal
		return 0, 0
	}
	return int(s.Height), int(s.Width)
}

// Table writes rows under a header in aligned columns; colours do not count as width. On a terminal it is no wider
// than that: columns that say nothing are left out, long cells end in "…", those of the last column go on below, and
// where even that is not enough each row is a block of lines.
func Table(w io.Writer, header []string, rows [][]string) {
	w = unfiltered(w)
	rows = printableRows(rows)
	room := Columns(w)
	if full, _, _ := columnWidths(header, rows, 0); room > 0 && lineWidth(full, 2) > room {
		header, rows = withoutEmpty(header, rows)
	}
	widths, gap, fits := columnWidths(header, rows, room)
	if !fits {
		records(w, header, rows, room)
		return
	}
	for i, row := range append([][]string{header}, rows...) {
		for _, line := range rowLines(row, widths, gap, room > 0 && i > 0) {
			if i == 0 {
				line = coloured(paint(bold, line))
			}
			fmt.Fprintln(w, line)
		}
	}
}

// printableRows are the rows as they are printed: only then can their width be measured.
func printableRows(rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		for _, cell := range row {
			out[i] = append(out[i], rendered(cell))
		}
	}
	return out
}

// withoutEmpty leaves out the columns in which no row says anything, but for the first and the last.
func withoutEmpty(header []string, rows [][]string) ([]string, [][]string) {
	says := func(column int) bool {
		return column == 0 || column == len(header)-1 || slices.ContainsFunc(rows, func(row []string) bool {
			return row[column] != "" && row[column] != "-"
		})
	}
	pick := func(row []string) (out []string) {
		for i, cell := range row {
			if says(i) {
				out = append(out, cell)
			}
		}
		return out
	}
	kept := make([][]string, len(rows))
	for i, row := range rows {
		kept[i] = pick(row)
	}
	return pick(header), kept
}

// lineWidth is how wide columns are with their gaps.
func lineWidth(widths []int, gap int) (n int) {
	for _, width := range widths {
		n += width
	}
	return n + gap*(len(widths)-1)
}

// columnWidths gives each column's cells and the cells between two; fits is false where the table can't be made
// narrow enough.
func columnWidths(header []string, rows [][]string, room int) (widths []int, gap int, fits bool) {
	widths, lowest, widest := make([]int, len(header)), make([]int, len(header)), make([]int, len(header))
	for i, title := range header {
		for _, row := range rows {
			widest[i] = max(widest[i], ansi.StringWidth(row[i]))
		}
		keeps := least
		if i == 0 {
			keeps = leastOfFirst
		}
		widths[i] = max(widest[i], ansi.StringWidth(title))
		lowest[i] = min(widths[i], max(3, min(widest[i], keeps)))
	}
	total := func(of []int) int { return lineWidth(of, gap) }
	gap = 2
	if room == 0 || total(widths) <= room {
		return widths, gap, true
	}
	if total(lowest) > room {
		gap = 1
	}
	if total(lowest) > room {
		return nil, 0, false
	}
	for total(widths) > room {
		widths[givesWay(widths, lowest, widest)]--
	}
	return widths, gap, true
}

// givesWay gives the column that becomes narrower next: one whose title is longer than its cells, else the one that
// is furthest above its lowest width.
func givesWay(widths, lowest, widest []int) int {
	best, most := 0, 0
	for i := range widths {
		slack := widths[i] - lowest[i]
		if slack > 0 && widths[i] > widest[i] {
			return i
		}
		if slack > most {
			best, most = i, slack
		}
	}
	return best
}

// rowLines gives the lines of one row: its cells cut to their columns and, where wrap is true, the rest of its last
// cell below.
func rowLines(row []string, widths []int, gap int, wrap bool) []string {
	var b strings.Builder
	last, indent := len(row)-1, 0
	for i, cell := range row[:last] {
		cell = ansi.Truncate(cell, widths[i], "…")
		b.WriteString(cell + strings.Repeat(" ", widths[i]-ansi.StringWidth(cell)+gap))
		indent += widths[i] + gap
	}
	if !wrap {
		return []string{strings.TrimRight(b.String()+ansi.Truncate(row[last], widths[last], "…"), " ")}
	}
	var lines []string
	for i, part := range strings.Split(ansi.Wrap(row[last], max(1, widths[last]), "/"), "\n") {
		start := b.String()
		if i > 0 {
			start = strings.Repeat(" ", indent)
		}
		lines = append(lines, strings.TrimRight(start+part, " "))
	}
	return lines
}

// records writes each row as a block: its first cell, then a line for each other cell that says something.
func records(w io.Writer, header []string, rows [][]string, room int) {
	label := 0
	for _, title := range header[1:] {
		label = max(label, ansi.StringWidth(title))
	}
	for _, row := range rows {
		fmt.Fprintln(w, coloured(paint(bold, ansi.Truncate(cmp.Or(row[0], "-"), room, "…"))))
		for i, cell := range row[1:] {
			if cell == "" || cell == "-" {
				continue
			}
			title := header[i+1] + strings.Repeat(" ", label-ansi.StringWidth(header[i+1]))
			for n, part := range strings.Split(ansi.Wrap(cell, max(1, room-label-4), "/"), "\n") {
				if n > 0 {
					title = strings.Repeat(" ", label)
				}
				fmt.Fprintln(w, ansi.Truncate("  "+title+"  "+part, room, "…"))
			}
		}
	}
}

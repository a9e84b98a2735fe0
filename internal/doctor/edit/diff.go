package edit

import (
	"fmt"
	"slices"
	"strings"
)

// context is how many lines a diff shows before and after what changed.
const context = 3

// row is a line of a comparison: one that both texts have (' '), that goes ('-') or that comes ('+').
type row struct {
	mark byte
	text string
}

// Diff gives the unified diff of two texts of a file, in lines; none where they are the same.
func Diff(name string, before, after []byte) []string {
	rows := compare(lines(before), lines(after))
	var out []string
	old, now := 1, 1 // the numbers of the lines at row i
	for i := 0; i < len(rows); {
		if rows[i].mark == ' ' {
			i, old, now = i+1, old+1, now+1
			continue
		}
		end := i + 1 // behind the last change that is no more than two contexts away from the one before
		for j := end; j < len(rows) && j < end+2*context+1; j++ {
			if rows[j].mark != ' ' {
				end = j + 1
			}
		}
		first := max(0, i-context)
		hunk := rows[first:min(len(rows), end+context)]
		out = append(out, header(old-(i-first), now-(i-first), hunk))
		for _, r := range hunk {
			out = append(out, written(r)...)
		}
		for _, r := range hunk[i-first:] {
			if r.mark != '+' {
				old++
			}
			if r.mark != '-' {
				now++
			}
		}
		i = first + len(hunk)
	}
	if len(out) > 0 {
		out = append([]string{"--- " + name, "+++ " + name}, out...)
	}
	return out
}

func header(old, now int, hunk []row) string {
	var gone, come int
	for _, r := range hunk {
		if r.mark != '+' {
			gone++
		}
		if r.mark != '-' {
			come++
		}
	}
	if gone == 0 {
		old--
	}
	if come == 0 {
		now--
	}
	return fmt.Sprintf("@@ -%d,%d +%d,%d @@", old, gone, now, come)
}

// written gives a row as a diff has it.
func written(r row) []string {
	text, whole := strings.CutSuffix(r.text, "\n")
	out := []string{string(r.mark) + text}
	if !whole {
		out = append(out, `\ No newline at end of file`)
	}
	return out
}

// lines splits a text behind each line feed.
func lines(text []byte) []string { return slices.Collect(strings.Lines(string(text))) }

// most is how many changed lines are compared one by one; beyond that all between the first and the last count as
// changed.
const most = 500

// compare gives the rows of two texts by the shortest way from one to the other (Myers, An O(ND) Difference Algorithm).
func compare(a, b []string) []row {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out := rows(' ', a[:head])
	out = append(out, shortest(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return append(out, rows(' ', a[len(a)-tail:])...)
}

func rows(mark byte, text []string) []row {
	var out []row
	for _, t := range text {
		out = append(out, row{mark, t})
	}
	return out
}

// shortest finds the way: reached[k] is how far in a the way on diagonal k (lines of a less those of b) has come.
func shortest(a, b []string) []row {
	reached := map[int]int{1: 0}
	var trace []map[int]int
	for d := 0; d <= min(len(a)+len(b), most); d++ {
		step := map[int]int{}
		for k := -d; k <= d; k += 2 {
			x := reached[k-1] + 1
			if k == -d || k != d && reached[k-1] < reached[k+1] {
				x = reached[k+1]
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			reached[k], step[k] = x, x
			if x >= len(a) && x-k >= len(b) {
				return back(a, b, append(trace, step))
			}
		}
		trace = append(trace, step)
	}
	return append(rows('-', a), rows('+', b)...)
}

// back follows the way from its end.
func back(a, b []string, trace []map[int]int) []row {
	var out []row
	x, y := len(a), len(b)
	for d := len(trace) - 1; d >= 0; d-- {
		k := x - y
		fromX, fromY := 0, 0
		if d > 0 {
			before := trace[d-1]
			from := k - 1
			if k == -d || k != d && before[k-1] < before[k+1] {
				from = k + 1
			}
			fromX, fromY = before[from], before[from]-from
		}
		for x > fromX && y > fromY && a[x-1] == b[y-1] {
			out, x, y = append(out, row{' ', a[x-1]}), x-1, y-1
		}
		switch {
		case d == 0:
		case x > fromX:
			out, x = append(out, row{'-', a[x-1]}), x-1
		default:
			out, y = append(out, row{'+', b[y-1]}), y-1
		}
	}
	slices.Reverse(out)
	return out
}

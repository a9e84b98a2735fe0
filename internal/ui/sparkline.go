package ui

import (
	"math"
	"os"
)

// levels are what a sparkline is drawn with, from least to most: blocks, and letters for terminals that have no more.
var levels, plainLevels = []rune(" ▁▂▃▄▅▆▇█"), []rune(" .:-=+*#@")

// Sparkline draws values as one line, a cell each, as parts of top, as Bars does.
func Sparkline(values []float64, top float64) string { return Bars(values, top, 1)[0] }

// Bars draws values as columns in so many rows, the top one first; top is the value that fills a column. Where
// nothing is known (NaN) there is nothing, and anything above nothing is at least an eighth of a cell.
func Bars(values []float64, top float64, rows int) []string {
	cells := levels
	if os.Getenv("TERM") == "dumb" {
		cells = plainLevels
	}
	out := make([]string, rows)
	for row := range out {
		drawn := make([]rune, len(values))
		for i, v := range values {
			eighths := 0
			if !math.IsNaN(v) && top > 0 {
				eighths = int(math.Round(min(1, v/top) * float64(rows*8)))
				if v > 0 {
					eighths = max(1, eighths)
				}
			}
			drawn[i] = cells[min(8, max(0, eighths-8*(rows-1-row)))]
		}
		out[row] = string(drawn)
	}
	return out
}

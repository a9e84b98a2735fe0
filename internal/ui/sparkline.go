package ui

import (
	"math"
	"os"
	"strings"
)

// levels are what a sparkline is drawn with, from least to most: blocks, and letters for terminals that have no more.
var levels, plainLevels = []rune(" ▁▂▃▄▅▆▇█"), []rune(" .:-=+*#@")

// Sparkline draws values as one line, a cell each, as parts of top. NaN is a space; a value over 0 is never one.
func Sparkline(values []float64, top float64) string {
	cells := levels
	if os.Getenv("TERM") == "dumb" {
		cells = plainLevels
	}
	var b strings.Builder
	for _, v := range values {
		level := 0
		if !math.IsNaN(v) && top > 0 {
			level = int(math.Round(math.Max(0, math.Min(1, v/top)) * 8))
			if v > 0 {
				level = max(1, level)
			}
		}
		b.WriteRune(cells[level])
	}
	return b.String()
}

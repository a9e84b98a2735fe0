// Package figures turns what the benches measured into Markdown.
package figures

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Row writes one row of a Markdown table.
func Row(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// Head writes a table's head.
func Head(b *strings.Builder, cells []string) {
	Row(b, cells)
	Row(b, slices.Repeat([]string{"---"}, len(cells)))
}

// Median is the middle value, the mean of the two middle ones of an even number, 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	m := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[m]
	}
	return (sorted[m-1] + sorted[m]) / 2
}

// Spread is "median (least–greatest)"; a tool that failed has no figure.
func Spread(values []float64, failed string) string {
	switch {
	case failed != "":
		return "failed"
	case len(values) == 0:
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", Median(values), slices.Min(values), slices.Max(values))
}

// Ratios are the rounds' ratios, nil where either side lacks a round or a divisor is not positive.
func Ratios(a, b []float64) []float64 {
	if len(a) == 0 || len(a) != len(b) {
		return nil
	}
	var all []float64
	for i := range a {
		if b[i] <= 0 {
			return nil
		}
		all = append(all, a[i]/b[i])
	}
	return all
}

// Ratio is the median of the rounds' ratios, "–" where there are none.
func Ratio(a, b []float64) string {
	all := Ratios(a, b)
	if all == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f", Median(all))
}

// OneLine keeps a failure's reason from breaking a list.
func OneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return text
}

// LastWords are the last lines that are a person's to read, not BuildKit's raw progress.
func LastWords(output []byte) string {
	var kept []string
	for line := range strings.Lines(string(output)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "{") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-3):], " / ")
}

// Split reads a command-line list: names with commas or spaces between them.
func Split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// Bootstrap gives the bounds of the 95 % interval of the ratios' median: the 2.5th and 97.5th percentile of the
// medians of 10,000 samples that are drawn from the ratios with replacement, the same ones in every run. A round's
// ratio is drawn whole, so that what both sides of a round share counts for neither.
func Bootstrap(ratios []float64) (low, high float64) {
	if len(ratios) == 0 {
		return 0, 0
	}
	random := rand.New(rand.NewPCG(1, 2))
	medians, drawn := make([]float64, 10_000), make([]float64, len(ratios))
	for i := range medians {
		for j := range drawn {
			drawn[j] = ratios[random.IntN(len(ratios))]
		}
		medians[i] = Median(drawn)
	}
	slices.Sort(medians)
	return medians[len(medians)*25/1000], medians[len(medians)*975/1000-1]
}

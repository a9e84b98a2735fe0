package history

import (
	"slices"
	"strings"
	"time"
)

// Selection says which series are asked for. An empty list is all of them.
type Selection struct {
	Services []string
	Metrics  []string
}

func (s Selection) service(name string) bool {
	return len(s.Services) == 0 || slices.Contains(s.Services, name)
}

func (s Selection) has(one Series) bool {
	return s.service(one.Service) && (len(s.Metrics) == 0 || slices.Contains(s.Metrics, one.Metric))
}

// blocks decodes the blocks that may have a selected measurement from one time to another. One that can't be decoded is
// left out: its checksum was right, so a program of another kind wrote it.
func blocks(files []contents, selected Selection, from, to time.Time) []block {
	var out []block
	low, high := from.Add(-coarseStep).UnixMilli(), to.UnixMilli()
	for _, c := range files {
		for _, f := range c.frames {
			// A frame of no service is of several, or of the machine.
			if f.last < low || f.first >= high || f.service != "" && !selected.service(f.service) {
				continue
			}
			if b, err := f.block(); err == nil {
				out = append(out, b)
			}
		}
	}
	return out
}

// gather collects the selected measurements from one time to another out of the blocks.
func gather(blocks []block, selected Selection, from, to time.Time) map[Series][]sample {
	out := map[Series][]sample{}
	for _, b := range blocks {
		for _, column := range b.columns {
			if !selected.has(column.Series) {
				continue
			}
			samples, err := column.samples(b)
			if err != nil {
				continue
			}
			samples = slices.DeleteFunc(samples, func(s sample) bool {
				return s.at+b.step <= from.UnixMilli() || s.at >= to.UnixMilli()
			})
			if len(samples) > 0 {
				out[column.Series] = append(out[column.Series], samples...)
			}
		}
	}
	return out
}

func compareSeries(a, b Series) int {
	if c := strings.Compare(a.Service, b.Service); c != 0 {
		return c
	}
	return strings.Compare(a.Metric, b.Metric)
}

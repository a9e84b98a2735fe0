package history

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"
)

// block is what some series were over some time: one column of times, and a column for each series beside it.
type block struct {
	step    int64    // milliseconds between two times, or a multiple of that where nothing was measured
	times   []int64  // milliseconds since 1970, rising, multiples of step
	columns []column // each with its own name
}

// column is one series of a block. The figures are encoded: most are asked for by nobody who reads the block.
type column struct {
	Series
	data []byte
}

// The bounds of what a block may hold: far above an hour of a large project, far below what would hurt a reader.
const (
	mostTimes   = 1 << 12
	mostSeries  = 1 << 13
	mostName    = 255      // bytes of a service's or a metric's name
	mostPayload = 16 << 20 // bytes of a block before compression
)

// errBlock says that a block is none of ours.
var errBlock = errors.New("no block of history")

// exact are the metrics that count something: their figures are kept as they are. All others keep three significant
// digits.
func exact(metric string) bool { return metric == Restarts || metric == OOMKills || metric == Healthy }

// Of a column's data: its first byte.
const (
	integers = 1 << iota // the figures are integers, else they are rounded
	single               // each of the figures is of one measurement: minimum and maximum are left out
	gaps                 // a bit for each time says whether there is a figure
)

// newBlock makes a block of points, which begin at multiples of the step.
func newBlock(step time.Duration, all map[Series][]Point) block {
	b := block{step: step.Milliseconds()}
	for _, points := range all {
		for _, p := range points {
			b.times = append(b.times, p.Time.UnixMilli())
		}
	}
	slices.Sort(b.times)
	b.times = slices.Compact(b.times)
	for key, points := range all {
		b.columns = append(b.columns, column{key, encodeColumn(b.times, points, exact(key.Metric))})
	}
	slices.SortFunc(b.columns, func(a, b column) int { return compareSeries(a.Series, b.Series) })
	return b
}

func encodeColumn(times []int64, points []Point, asIntegers bool) []byte {
	code, kind := rounded, byte(single)
	if asIntegers {
		code, kind = whole, single|integers
	}
	present := make([]byte, (len(times)+7)/8)
	var means, above, below []byte
	last, next := int64(0), 0
	for i, at := range times {
		if next == len(points) || points[next].Time.UnixMilli() != at {
			kind |= gaps
			continue
		}
		p := points[next]
		next++
		present[i/8] |= 1 << (i % 8)
		least, mean, most := code(p.Min), code(p.Mean), code(p.Max)
		means = binary.AppendVarint(means, mean-last)
		above = binary.AppendUvarint(above, uint64(max(0, most-mean)))
		below = binary.AppendUvarint(below, uint64(max(0, mean-least)))
		if last = mean; least != mean || most != mean {
			kind &^= single
		}
	}
	data := []byte{kind}
	if kind&gaps != 0 {
		data = append(data, present...)
	}
	data = append(data, means...)
	if kind&single == 0 {
		data = append(append(data, above...), below...)
	}
	return data
}

// samples decodes the column; the times and the step are its block's.
func (c column) samples(b block) ([]sample, error) {
	r := reader{data: c.data}
	kind := r.byte()
	present := []byte(nil)
	if kind&gaps != 0 {
		present = r.bytes((len(b.times) + 7) / 8)
	}
	var out []sample
	var codes []int64
	last := int64(0)
	for i, at := range b.times {
		if r.failed || present != nil && present[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		last += r.varint()
		codes = append(codes, last)
		out = append(out, sample{at: at, weight: float64(b.step) / 1000})
	}
	value := unrounded
	if kind&integers != 0 {
		value = func(code int64) float64 { return float64(code) }
	}
	for i := range out {
		s := &out[i]
		s.mean = value(codes[i])
		s.min, s.max = s.mean, s.mean
	}
	if kind&single == 0 {
		for i := range out {
			out[i].max = value(codes[i] + int64(r.uvarint()))
		}
		for i := range out {
			out[i].min = value(codes[i] - int64(r.uvarint()))
		}
	}
	if r.failed || len(r.data) > 0 || slices.ContainsFunc(out, sample.strange) {
		return nil, errBlock
	}
	return out, nil
}

// strange says that no measurements can have this sum.
func (s sample) strange() bool {
	return !(s.min <= s.mean && s.mean <= s.max) || math.IsInf(s.min, 0) || math.IsInf(s.max, 0)
}

// A rounded figure is the upper bits of its float32: the sign, the exponent, and so many bits of the mantissa that the
// figure is off by a thousandth at most. Its code is an integer that rises with the figure.
const (
	dropped  = 14
	mostCode = 0x7f7fffff >> dropped // above are the infinite, and what is no number
	mostReal = math.MaxFloat32 / 2
)

func rounded(v float64) int64 {
	bits := math.Float32bits(float32(min(math.Abs(v), mostReal)))
	code := int64((bits + 1<<(dropped-1)) >> dropped)
	if v < 0 {
		return -code
	}
	return code
}

func unrounded(code int64) float64 {
	if code > mostCode || code < -mostCode {
		return math.NaN()
	}
	if code < 0 {
		return -unrounded(-code)
	}
	return float64(math.Float32frombits(uint32(code) << dropped))
}

// whole is the code of a figure that counts something.
func whole(v float64) int64 { return int64(math.Round(max(-1<<53, min(v, 1<<53)))) }

func (b block) encode() []byte {
	out := binary.AppendUvarint(nil, uint64(b.step))
	out = binary.AppendUvarint(out, uint64(len(b.times)))
	last := int64(0)
	for _, at := range b.times {
		out = binary.AppendVarint(out, at/b.step-last)
		last = at / b.step
	}
	out = binary.AppendUvarint(out, uint64(len(b.columns)))
	for _, c := range b.columns {
		for _, part := range [][]byte{[]byte(c.Service), []byte(c.Metric), c.data} {
			out = append(binary.AppendUvarint(out, uint64(len(part))), part...)
		}
	}
	return out
}

// The times that a block may have: the years 1970 to 2200, in milliseconds.
const latest = 230 * 366 * 24 * 3600 * 1000

func decodeBlock(data []byte) (block, error) {
	r := reader{data: data}
	b := block{step: int64(r.uvarint())}
	n := r.uvarint()
	if b.step < 1 || b.step > 24*3600*1000 || n > mostTimes {
		return b, errBlock
	}
	number := int64(0)
	for i := range n {
		delta := r.varint()
		number += delta
		if delta < 0 || delta > latest || number > latest/b.step || i > 0 && delta == 0 {
			return b, errBlock
		}
		b.times = append(b.times, number*b.step)
	}
	n = r.uvarint()
	if n > mostSeries {
		return b, errBlock
	}
	for range n {
		service, metric := r.bytes(r.length(mostName)), r.bytes(r.length(mostName))
		b.columns = append(b.columns, column{Series{string(service), string(metric)}, r.bytes(r.length(mostPayload))})
	}
	if r.failed || len(r.data) > 0 {
		return b, errBlock
	}
	return b, nil
}

// reader takes values from the front of data; after a failure it gives zeros.
type reader struct {
	data   []byte
	failed bool
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.data) {
		r.failed, r.data, n = true, nil, 0
	}
	out := r.data[:n]
	r.data = r.data[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.failed, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.failed, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

// length is a length that is at most so much.
func (r *reader) length(most int) int {
	n := r.uvarint()
	if n > uint64(most) {
		r.failed, r.data = true, nil
		return 0
	}
	return int(n)
}

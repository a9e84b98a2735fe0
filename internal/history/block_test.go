package history

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func TestFiguresKeepThreeDigits(t *testing.T) {
	last := int64(math.MinInt64)
	for _, v := range []float64{
		-math.MaxFloat64, -1e30, -5, -1, -1e-9, 0, 1e-9, 0.01, 0.5, 1, 1.001, 99.9, 100, 4096, 1e6, 1 << 30, 1e12, 1e30,
		math.MaxFloat64,
	} {
		code := rounded(v)
		if code < last {
			t.Errorf("%g has the code %d, and what is less has %d", v, code, last)
		}
		last = code
		want := max(-mostReal, min(v, mostReal))
		if got := unrounded(code); math.Abs(got-want) > math.Abs(want)/1000 {
			t.Errorf("%g is read as %g", v, got)
		}
	}
	for _, code := range []int64{mostCode + 1, -mostCode - 1, math.MaxInt64, math.MinInt64} {
		if v := unrounded(code); !math.IsNaN(v) {
			t.Errorf("code %d is read as %g", code, v)
		}
	}
	if v := unrounded(mostCode); math.IsInf(v, 0) {
		t.Errorf("the greatest code is read as %g", v)
	}
}

// at is so many steps after the epoch.
func at(step time.Duration, n int) time.Time {
	return epoch.Truncate(step).Add(time.Duration(n) * step)
}

func TestBlocksAreReadAsTheyWereWritten(t *testing.T) {
	first := at(fineStep, 0)
	all := map[Series][]Point{
		{"a", CPUPercent}:  {{first, 1, 2, 4}, {at(fineStep, 1), 0, 0, 0}, {at(fineStep, 9), 8, 8, 512}},
		{"a", Restarts}:    {{first, 4097, 4097, 4098}, {at(fineStep, 9), 0, 1, 12345678}},
		{"b", OOMKills}:    {{at(fineStep, 1), 3, 3, 3}},
		{"", "new"}:        {{at(fineStep, 9), -2, -1, 0}},
		{"none", "at all"}: nil,
	}
	raw, err := newFrame("a", newBlock(fineStep, all))
	if err != nil {
		t.Fatal(err)
	}
	f, n := parseFrame(append(bytes.Clone(raw), "what follows"...))
	if n != len(raw) || f.service != "a" || f.first != first.UnixMilli() || f.last != at(fineStep, 9).UnixMilli() {
		t.Fatalf("%d of %d bytes, %+v", n, len(raw), f)
	}
	b, err := f.block()
	if err != nil {
		t.Fatal(err)
	}
	if len(b.columns) != len(all) || b.step != fineStep.Milliseconds() {
		t.Errorf("%+v", b)
	}
	for _, c := range b.columns {
		samples, err := c.samples(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := printed(points(samples, 0)), printed(all[c.Series]); got != want {
			t.Errorf("%v: %s, want %s", c.Series, got, want)
		}
	}
}

func TestPointsSumUpBySteps(t *testing.T) {
	samples := []sample{
		{at: 30_000, weight: 15, min: 5, mean: 6, max: 7},
		{at: 0, weight: 15, min: 1, mean: 2, max: 3}, // not sorted, as after a clock that was set back
		{at: 0, weight: 15, min: 0, mean: 4, max: 4}, // and twice
		{at: -1, weight: 1, min: 9, mean: 9, max: 9}, // before 1970
		{at: 59_999, weight: 300, min: 1, mean: 1, max: 1},
	}
	got := points(samples, time.Minute)
	if len(got) != 2 || got[0] != (Point{time.UnixMilli(-60_000), 9, 9, 9}) || got[1].Min != 0 || got[1].Max != 7 ||
		math.Abs(got[1].Mean-(15*2+15*4+15*6+300)/345.0) > 1e-9 {
		t.Errorf("%+v", got)
	}
}

func FuzzFile(f *testing.F) {
	all := map[Series][]Point{
		{"a", CPUPercent}: {{at(fineStep, 0), 1, 2, 4}, {at(fineStep, 1), 0, 0, 0}},
		{"b", Restarts}:   {{at(fineStep, 1), 3, 3, 3}},
	}
	raw, err := newFrame("", newBlock(fineStep, all))
	if err != nil {
		f.Fatal(err)
	}
	whole := append([]byte(header), append(raw, raw...)...)
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(append(append(bytes.Clone(whole[:len(raw)]), 0, 0, 0), raw...))
	f.Add([]byte("cmhist2\nsomething"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := parse(data)
		if c.whole < 0 || c.whole > len(data) {
			t.Fatalf("%d of %d bytes are whole", c.whole, len(data))
		}
		got := blocks([]contents{c}, Selection{}, time.UnixMilli(0), time.UnixMilli(latest))
		gather(got, Selection{}, time.UnixMilli(0), time.UnixMilli(latest))
		// What is cut off is no part of a whole frame, and what is left reads the same.
		if again := parse(data[:c.whole]); !c.damaged && len(again.frames) != len(c.frames) {
			t.Fatalf("%d frames, and %d after the cut", len(c.frames), len(again.frames))
		}
	})
}

func FuzzBlock(f *testing.F) {
	f.Add(newBlock(fineStep, map[Series][]Point{
		{"a", CPUPercent}: {{at(fineStep, 0), 1, 2, 4}, {at(fineStep, 1), 0, 0, 0}},
		{"b", Restarts}:   {{at(fineStep, 1), 3, 3, 3}},
	}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBlock(data)
		if err != nil {
			return
		}
		for key, samples := range gather([]block{b}, Selection{}, time.UnixMilli(0), time.UnixMilli(latest)) {
			for _, p := range points(samples, 0) {
				if !(p.Min <= p.Mean && p.Mean <= p.Max) || math.IsInf(p.Max-p.Min, 0) {
					t.Fatalf("%v: %+v", key, p)
				}
			}
		}
	})
}

// Command promql evaluates expressions with Prometheus' own engine over scrapes that it reads with Prometheus' own
// parsers. It is a module of its own: nothing of Prometheus is compiled for the targets.
//
// Its standard input is JSON: {"scrapes": [{"time": …, "type": "text/plain", "body": "…"}], "expressions": ["…"]}. The
// command prints JSON: for each expression its value at the last scrape, and the selectors in it that find no series.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

type question struct {
	Scrapes []struct {
		Time time.Time `json:"time"`
		Type string    `json:"type"` // the Content-Type
		Body string    `json:"body"`
	} `json:"scrapes"`
	Expressions []string `json:"expressions"`
}

type answer struct {
	Expression string   `json:"expression"`
	Series     int      `json:"series"`  // of the result
	Value      string   `json:"value"`   // of the result, as Prometheus prints it
	Missing    []string `json:"missing"` // selectors without a series
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var q question
	if err := json.NewDecoder(os.Stdin).Decode(&q); err != nil {
		return err
	}
	var kept store
	for _, s := range q.Scrapes {
		if err := kept.scrape(s.Body, s.Type, s.Time.UnixMilli()); err != nil {
			return err
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1 << 20, Timeout: time.Minute, LookbackDelta: time.Minute})
	end := q.Scrapes[len(q.Scrapes)-1].Time
	var out []answer
	for _, expression := range q.Expressions {
		a := answer{Expression: expression}
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
		if err != nil {
			return err
		}
		parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
			if s, ok := n.(*parser.VectorSelector); ok && len(kept.selected(s.LabelMatchers)) == 0 {
				a.Missing = append(a.Missing, s.String())
			}
			return nil
		})
		query, err := engine.NewInstantQuery(context.Background(), &kept, nil, expression, end)
		if err != nil {
			return err
		}
		result := query.Exec(context.Background())
		if result.Err != nil {
			return fmt.Errorf("%s: %w", expression, result.Err)
		}
		a.Value = result.String()
		switch v := result.Value.(type) {
		case promql.Vector:
			a.Series = len(v)
		case promql.Scalar:
			a.Series = 1
		}
		out = append(out, a)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// store keeps the series of all scrapes in memory.
type store struct{ series []*series }

type series struct {
	labels labels.Labels
	points []point
}

type point struct {
	at    int64 // milliseconds
	value float64
}

// scrape reads what an exporter answered.
func (s *store) scrape(body, contentType string, at int64) error {
	p, err := textparse.New([]byte(body), contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return err
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("parsing a scrape of %s: %w", contentType, err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var l labels.Labels
		p.Labels(&l)
		_, _, value := p.Series()
		if err := s.add(l, point{at, value}); err != nil {
			return err
		}
	}
}

func (s *store) add(l labels.Labels, p point) error {
	i := slices.IndexFunc(s.series, func(one *series) bool { return labels.Equal(one.labels, l) })
	if i < 0 {
		s.series = append(s.series, &series{labels: l, points: []point{p}})
		return nil
	}
	one := s.series[i]
	if one.points[len(one.points)-1].at == p.at {
		return fmt.Errorf("a scrape has %s twice", l)
	}
	one.points = append(one.points, p)
	return nil
}

func (s *store) selected(matchers []*labels.Matcher) (out []*series) {
	for _, one := range s.series {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(one.labels.Get(m.Name)) }) {
			out = append(out, one)
		}
	}
	return out
}

// Querier implements storage.Queryable.
func (s *store) Querier(_, _ int64) (storage.Querier, error) {
	return querier{storage.NoopQuerier(), s}, nil
}

// querier has all of the store whatever the time; label names and values are not asked for.
type querier struct {
	storage.Querier
	store *store
}

// Select implements storage.Querier.
func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, m ...*labels.Matcher) storage.SeriesSet {
	var all []storage.Series
	for _, one := range q.store.selected(m) {
		var samples []chunks.Sample
		for _, p := range one.points {
			samples = append(samples, sample{point: p})
		}
		all = append(all, storage.NewListSeries(one.labels, samples))
	}
	slices.SortFunc(all, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &set{all: all, at: -1}
}

type set struct {
	storage.SeriesSet
	all []storage.Series
	at  int
}

func (s *set) Next() bool                      { s.at++; return s.at < len(s.all) }
func (s *set) At() storage.Series              { return s.all[s.at] }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

// sample is a point as the engine takes it.
type sample struct {
	chunks.Sample
	point point
}

func (s sample) T() int64                 { return s.point.at }
func (s sample) ST() int64                { return 0 }
func (s sample) F() float64               { return s.point.value }
func (s sample) Type() chunkenc.ValueType { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample      { return s }

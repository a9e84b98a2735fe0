package image

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/internal/trace"
)

// timeImage adds the span of an image's whole build.
func timeImage(ctx context.Context, began time.Time, r Result) {
	trace.Of(ctx).Add(trace.Span{
		Lane: r.Target.Service, Name: r.Target.Service, Kind: trace.Image, Began: began, Ended: began.Add(r.Took),
		Failed: r.State == Failed,
		Facts: []trace.Fact{
			{Name: "result", Value: string(r.State)},
			{Name: "image", Value: r.Target.Names[0]},
			{Name: "id", Value: r.ID},
			{Name: "steps", Value: r.Steps},
			{Name: "cached", Value: r.Cached},
			{Name: "built", Value: r.Built},
			{Name: "bytes", Value: r.Loaded},
		},
	})
}

// timeLoad runs load, and adds its span.
func (s *imageSolve) timeLoad(ctx context.Context) (int64, error) {
	began := time.Now()
	sent, err := s.load(ctx)
	trace.Of(ctx).Add(trace.Span{
		Lane: s.target.Service, Name: "load into the engine", Kind: trace.Load, Began: began, Ended: time.Now(),
		Failed: err != nil, Facts: []trace.Fact{{Name: "bytes", Value: sent}},
	})
	return sent, err
}

// endSpans says what the build came to, and gives its critical path as a text; "" where no step ran.
func endSpans(ctx context.Context, results []Result) string {
	ran, failed := false, false
	for _, res := range results {
		ran, failed = ran || res.Built > 0, failed || res.Err != nil
	}
	path := ""
	if ran {
		path = trace.Of(ctx).MarkChain()
	}
	trace.Of(ctx).End(failed, path)
	return path
}

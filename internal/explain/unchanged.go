package explain

import (
	"context"
	"maps"
	"slices"
	"time"
)

// guessWithin bounds the wait for a guess: by then a build had better begin.
const guessWithin = 100 * time.Millisecond

// Unchanged says whether an image would be built from just what its last build read, which did not fail. It is a guess
// that a build may order its work by: what a base's name stands for, or a variable that the Dockerfile takes from the builder's
// environment, may have changed all the same. Where there is much to read it says no, and goes on reading: Remember then waits
// for that instead of reading what may have changed meanwhile.
func (s *Store) Unchanged(ctx context.Context, in Inputs) bool {
	if in.Text == "" {
		return false
	}
	take := s.begin(ctx, in)
	guess := make(chan bool, 1)
	go func() {
		t, err := take()
		guess <- err == nil && t.before != nil && !t.before.Failed && t.before.reads(&t.after)
	}()
	select {
	case same := <-guess:
		return same && !in.NoCache
	case <-time.After(guessWithin):
		return false
	}
}

// reads says whether two records read the same.
func (r *Record) reads(b *Record) bool {
	return r.Text == b.Text && r.Target == b.Target && r.Platform == b.Platform && r.NoCache == b.NoCache &&
		maps.Equal(r.Args, b.Args) && maps.Equal(r.Options, b.Options) && slices.Equal(r.Secrets, b.Secrets) &&
		maps.EqualFunc(r.Trees, b.Trees, sameFiles)
}

func sameFiles(a, b Files) bool {
	return a.Address == b.Address && slices.EqualFunc(a.Files, b.Files, func(x, y File) bool {
		return x.Path == y.Path && x.Mode == y.Mode && x.Link == y.Link && (!x.Mode.IsRegular() || !other(x, y))
	})
}

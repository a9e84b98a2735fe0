package buildinputs

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

// Store keeps of each image what its last build read, in dir/project/service.json: a file that is replaced as a whole,
// and safe to delete. One Store serves one run: it reads a context that images share once.
type Store struct {
	dir   string
	disk  disk
	mu    sync.Mutex
	begun map[string]func() (Records, error)
}

// NewStore keeps its files in dir, which need not exist.
func NewStore(dir string) *Store {
	return &Store{dir: dir, begun: map[string]func() (Records, error){}}
}

// Records are what a build read, and what the one before it did; nil before the first.
type Records struct {
	Before *Record
	After  Record
}

// Read gives the function that reads what an image is built from, once for all who ask in this run.
func (s *Store) Read(ctx context.Context, in Inputs) func() (Records, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := in.Project + "/" + in.Service
	if s.begun[key] == nil {
		s.begun[key] = sync.OnceValues(func() (Records, error) {
			r := Records{Before: s.Last(in.Project, in.Service)}
			var err error
			r.After, err = take(ctx, in, r.Before, &s.disk)
			return r, err
		})
	}
	return s.begun[key]
}

// Now reads what an image would be built from at this moment. before, which may be nil, saves reading files that are
// as they were.
func (s *Store) Now(ctx context.Context, in Inputs, before *Record) (Record, error) {
	return take(ctx, in, before, &s.disk)
}

// Last gives what the last build of an image read; nil where there is no record that this version understands.
func (s *Store) Last(project, service string) *Record {
	var r Record
	if err := state.ReadJSON(s.path(project, service), &r); err != nil || r.Version != version {
		return nil
	}
	return &r
}

// Keep replaces what is known of an image's last build.
func (s *Store) Keep(r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return state.Keep(s.path(r.Project, r.Service), data)
}

func (s *Store) path(project, service string) string {
	return filepath.Join(s.dir, project, service+".json")
}

// guessWithin bounds the wait for a guess: a build that waits longer would lose more than the guess can save.
const guessWithin = 100 * time.Millisecond

// Unchanged says whether an image would be built from just what its last build read, which did not fail. The answer is
// a guess by which a build may order its work: what a base's name stands for, or a variable that the Dockerfile takes
// from the builder's environment, may have changed all the same. Where there is much to read the answer is no, and the
// reading goes on: who calls Read later waits for its end instead of reading what may have changed meanwhile.
func (s *Store) Unchanged(ctx context.Context, in Inputs) bool {
	if in.Text == "" {
		return false
	}
	read := s.Read(ctx, in)
	guess := make(chan bool, 1)
	go func() {
		r, err := read()
		guess <- err == nil && r.Before != nil && !r.Before.Failed && r.Before.same(&r.After)
	}()
	select {
	case same := <-guess:
		return same && !in.NoCache
	case <-time.After(guessWithin):
		return false
	}
}

// same says whether two builds read the same.
func (r *Record) same(b *Record) bool {
	return r.Text == b.Text && r.Target == b.Target && r.Platform == b.Platform && r.NoCache == b.NoCache &&
		maps.Equal(r.Args, b.Args) && maps.Equal(r.Options, b.Options) && slices.Equal(r.Secrets, b.Secrets) &&
		maps.EqualFunc(r.Trees, b.Trees, sameFiles)
}

func sameFiles(a, b Files) bool {
	return a.Address == b.Address && slices.EqualFunc(a.Files, b.Files, func(x, y File) bool {
		return x.Path == y.Path && x.Mode == y.Mode && x.Link == y.Link &&
			(!x.Mode.IsRegular() || !ContentDiffers(x, y))
	})
}

// ContentDiffers says whether two regular files differ in content, as far as that is known.
func ContentDiffers(a, b File) bool {
	if a.Size != b.Size {
		return true
	}
	if a.SHA256 != "" && b.SHA256 != "" {
		return a.SHA256 != b.SHA256
	}
	return a.ModTime != b.ModTime
}

package explain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Store keeps of each image why the steps of its last build ran, in dir/project/last/service.json beside what that
// build read. A file is replaced as a whole, and safe to delete. One Store serves one run.
type Store struct {
	Inputs *buildinputs.Store // what builds read
	dir    string
}

// NewStore keeps its files in dir, which need not exist.
func NewStore(dir string) *Store {
	return &Store{Inputs: buildinputs.NewStore(dir), dir: dir}
}

// Build is what is known of a build.
type Build struct {
	Project string    `json:"project"`
	Service string    `json:"service"`
	Time    time.Time `json:"time"`
	Steps   int       `json:"steps"` // of the Dockerfile, bases not counted
	Ran     int       `json:"ran"`
	Failed  bool      `json:"failed,omitempty"`
	Reasons []Reason  `json:"reasons,omitempty"`
	// Earlier is the last build in which a step ran, where that is another one.
	Earlier *Build `json:"earlier,omitempty"`
	Stamp   string `json:"stamp,omitempty"`
}

// Remember keeps what a build read and explains the steps that ran. It takes all that the builder showed, the FROM
// steps included, and may be called for a build that failed.
func (s *Store) Remember(ctx context.Context, in buildinputs.Inputs, steps []buildinputs.Step) error {
	if in.Text == "" {
		return nil // the Dockerfile is elsewhere
	}
	if err := s.remember(ctx, in, steps); err != nil {
		return fmt.Errorf("recording what %q was built from: %w", in.Service, err)
	}
	return nil
}

func (s *Store) remember(ctx context.Context, in buildinputs.Inputs, steps []buildinputs.Step) error {
	b := Build{Project: in.Project, Service: in.Service, Time: time.Now(), Stamp: in.Stamp}
	for _, x := range steps {
		if !shown.MatchString(x.Name) || strings.Contains(x.Name, "] FROM ") {
			continue
		}
		b.Steps++
		if !x.Cached {
			b.Ran++
		}
		b.Failed = b.Failed || x.Failed
	}
	last, err := s.Last(in.Project, in.Service)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		last = nil // damaged: as none
	}
	if last != nil && b.Ran == 0 {
		b.Earlier = last
		if last.Ran == 0 {
			b.Earlier = last.Earlier
		}
		if in.Stamp != "" && last.Stamp == in.Stamp && !last.Failed {
			return s.again(last, b)
		}
	}
	read, err := s.Inputs.Read(ctx, in)()
	if err != nil {
		return err
	}
	addBases(&read.After, steps)
	settle(&read.After, steps)
	b.Reasons = Explain(read.Before, &read.After, steps)
	if err := s.Inputs.Keep(read.After); err != nil {
		return err
	}
	return s.write(s.lastPath(in.Project, in.Service), b)
}

// again notes one more build that found nothing to do. Of the second such build in a row only the time is new, and the
// file's own time tells it, without a write that the disk has to confirm for every image.
func (s *Store) again(last *Build, b Build) error {
	path := s.lastPath(b.Project, b.Service)
	if last.Ran == 0 && last.Steps == b.Steps {
		return os.Chtimes(path, b.Time, b.Time)
	}
	return s.write(path, b)
}

// Last gives what is known of an image's last build; fs.ErrNotExist where there was none.
func (s *Store) Last(project, service string) (*Build, error) {
	var b Build
	path := s.lastPath(project, service)
	if err := state.ReadJSON(path, &b); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && b.Ran == 0 {
		b.Time = info.ModTime()
	}
	return &b, nil
}

// Since says which steps would run now, and why, since the last build; fs.ErrNotExist where there was none.
func (s *Store) Since(ctx context.Context, in buildinputs.Inputs) ([]Reason, error) {
	before := s.Inputs.Last(in.Project, in.Service)
	if before == nil {
		return nil, fs.ErrNotExist
	}
	after, err := s.Inputs.Now(ctx, in, before)
	if err != nil {
		return nil, err
	}
	for ref, digest := range before.Bases { // of those that nobody asked for
		if after.Bases[ref] == "" {
			after.AddBase(ref, digest)
		}
	}
	return Predict(before, &after)
}

func (s *Store) lastPath(project, service string) string {
	return filepath.Join(s.dir, project, "last", service+".json")
}

func (s *Store) write(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return state.Keep(path, data)
}

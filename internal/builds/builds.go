// Package builds owns the record of the images that builds gave to an engine: which image exactly, for which service
// of which checkout, and under which names. A cleanup takes for ours only what is in the record, so whatever can't be
// read of it counts as not built by us. It asks no engine and removes no image.
package builds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/distribution/reference"

	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Record says that a build made exactly this image.
type Record struct {
	ID      string    `json:"id"`      // as the engine says it: sha256:…
	Engine  string    `json:"engine"`  // the engine's own ID
	Dir     string    `json:"dir"`     // the checkout: the folder of the Compose files, links resolved
	Service string    `json:"service"` // whose image it is, as its label com.docker.compose.service says
	Names   []string  `json:"names"`   // that builds gave it, in full, the last given last
	Built   time.Time `json:"built"`   // when a build made it last, or found that the engine has it
}

// How much is kept. Of an image whose record is left out, cleanup says that there is no record.
const (
	maxOfService = 100
	maxNames     = 20
	maxRecords   = 1000
	maxBytes     = 1 << 20
)

// Store is the records of one project. The zero value, and nil, keep none.
type Store struct {
	dir    string
	engine string
	folder string
	adding sync.Mutex
}

// folderName is where a project's records are, below its folder of the state directory.
const folderName = "builds"

// Open gives the records of a project, whose Compose files are in folder, on the engine of that ID. dir is the state
// directory.
func Open(dir, project, folder, engine string) *Store {
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	return &Store{dir: filepath.Join(dir, "projects", project, folderName), engine: engine, folder: folder}
}

// Folder is the checkout that Add writes down; "" for the zero value.
func (s *Store) Folder() string {
	if s == nil {
		return ""
	}
	return s.folder
}

// Records gives what is known of the project's images on this engine, those of other checkouts included, the last
// built first.
func (s *Store) Records() []Record {
	if s == nil || s.dir == "" {
		return nil
	}
	return slices.DeleteFunc(read(s.file()), func(r Record) bool { return r.Engine != s.engine })
}

// All gives the records of every project on this engine.
func (s *Store) All() []Record {
	if s == nil || s.dir == "" {
		return nil
	}
	// the pattern is a good one
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(s.dir)), "*", folderName, fileName))
	var all []Record
	for _, file := range files {
		all = append(all, read(file)...)
	}
	return slices.DeleteFunc(all, func(r Record) bool { return r.Engine != s.engine })
}

// Add writes down that a build made the image and gave it these names. Nothing is written where the record is there
// and is the last of its service: each write waits for the disk.
func (s *Store) Add(ctx context.Context, id, service string, names []string) error {
	if s == nil || s.dir == "" {
		return nil
	}
	s.adding.Lock()
	defer s.adding.Unlock()
	next := Record{
		ID: id, Engine: s.engine, Dir: s.folder, Service: service, Names: inFull(names),
		Built: time.Now().UTC().Truncate(time.Second),
	}
	if !next.valid() {
		return fmt.Errorf("recording the image of %q: %q is no image's ID", service, id)
	}
	if s.isLast(read(s.file()), next) {
		return nil
	}
	return s.change(ctx, func(all []Record) []Record {
		for i, r := range all {
			if r.sameAs(next) {
				given := slices.DeleteFunc(r.Names, func(name string) bool { return slices.Contains(next.Names, name) })
				next.Names = append(given, next.Names...)
				all = slices.Delete(all, i, i+1)
				break
			}
		}
		next.Names = next.Names[max(0, len(next.Names)-maxNames):]
		return append([]Record{next}, all...)
	})
}

// Forget drops the records of images of this engine, of whichever checkout: an image that comes back, from somebody's
// backup, is not ours.
func (s *Store) Forget(ctx context.Context, ids ...string) error {
	if s == nil || s.dir == "" || len(ids) == 0 {
		return nil
	}
	known := func(r Record) bool { return r.Engine == s.engine && slices.Contains(ids, r.ID) }
	if !slices.ContainsFunc(read(s.file()), known) {
		return nil
	}
	return s.change(ctx, func(all []Record) []Record { return slices.DeleteFunc(all, known) })
}

const fileName = "images.json"

// lockWithin is how long another run may hold the records, which takes it milliseconds.
const lockWithin = 5 * time.Second

func (s *Store) file() string { return filepath.Join(s.dir, fileName) }

// change writes what f makes of the records, with no other run in between.
func (s *Store) change(ctx context.Context, f func([]Record) []Record) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("recording a build: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockWithin)
	defer cancel()
	release, err := state.Lock(ctx, s.dir, "record of a build", ui.New(io.Discard))
	if err != nil {
		return fmt.Errorf("recording a build: %w", err)
	}
	defer release()
	data, err := encode(bounded(f(read(s.file()))))
	if err != nil {
		return fmt.Errorf("recording a build: %w", err)
	}
	return state.Keep(s.file(), data)
}

// isLast says whether the record is there already, as the last of its service and checkout.
func (s *Store) isLast(all []Record, next Record) bool {
	for _, r := range all {
		if r.Service == next.Service && r.Dir == next.Dir && r.Engine == next.Engine {
			return r.ID == next.ID &&
				!slices.ContainsFunc(next.Names, func(name string) bool { return !slices.Contains(r.Names, name) })
		}
	}
	return false
}

func (r Record) sameAs(other Record) bool {
	return r.ID == other.ID && r.Service == other.Service && r.Dir == other.Dir && r.Engine == other.Engine
}

var imageID = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (r Record) valid() bool {
	return imageID.MatchString(r.ID) && r.Service != "" && filepath.IsAbs(r.Dir)
}

// inFull gives the names with registry and tag; what is no name is left out.
func inFull(names []string) []string {
	all := []string{}
	for _, name := range names {
		if named, err := reference.ParseNormalizedNamed(name); err == nil {
			all = append(all, reference.TagNameOnly(named).String())
		}
	}
	return all
}

// bounded leaves out the oldest records.
func bounded(all []Record) []Record {
	of := map[[3]string]int{}
	all = slices.DeleteFunc(all, func(r Record) bool {
		whose := [3]string{r.Service, r.Dir, r.Engine}
		of[whose]++
		return of[whose] > maxOfService
	})
	return all[:min(len(all), maxRecords)]
}

type document struct {
	Images []Record `json:"images"` // the last built first
}

// encode leaves out the older half for as long as the file would be longer than read takes.
func encode(all []Record) ([]byte, error) {
	for {
		data, err := json.Marshal(document{all})
		if err != nil || len(data) <= maxBytes || len(all) == 0 {
			return data, err
		}
		all = all[:len(all)/2]
	}
}

// Check says what is wrong with the record where there is one that can't be read.
func (s *Store) Check() error {
	if s == nil || s.dir == "" {
		return nil
	}
	_, err := readFile(s.file())
	return err
}

// read gives the records in a file; none where any of it can't be read, or is more than was ever written.
func read(file string) []Record {
	all, err := readFile(file)
	if err != nil {
		return nil
	}
	return all
}

func readFile(file string) ([]Record, error) {
	var d document
	err := state.ReadJSON(file, &d)
	info, _ := os.Stat(file)
	switch {
	case info != nil && info.Mode().IsRegular() && info.Size() > maxBytes:
		err = fmt.Errorf("%q is longer than a record of builds", file)
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err == nil && slices.ContainsFunc(d.Images, func(r Record) bool { return !r.valid() }):
		err = fmt.Errorf("%q is no record of builds, or a damaged one", file)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: no image counts as built here before it is built again", err)
	}
	return d.Images, nil
}

package page

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Record is what a server writes down of itself, for those of the same user who look for it.
type Record struct {
	Shape   string    `json:"shape"` // of its snapshots
	Project string    `json:"project"`
	Of      string    `json:"of"` // where and with which settings it was called, as Caller gives it
	Address string    `json:"address"`
	Token   string    `json:"token"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Every   float64   `json:"every_seconds"`
	Files   []Stamp   `json:"files"` // what the project was read from
	// Variables is what VariablesOf gives of them: a model may differ by those of the shell too.
	Variables string `json:"variables"`
}

// Stamp tells whether a file is what it was.
type Stamp struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"` // -1 where there is no such file
	Modified time.Time `json:"modified,omitzero"`
}

// Says is a sentence about where a snapshot is from.
func (r Record) Says(s monitor.Snapshot) string {
	return fmt.Sprintf("seen %s ago by the monitor -serve that runs since %s",
		time.Since(s.Time).Round(100*time.Millisecond), r.Started.Local().Format(time.DateTime))
}

// StampOf looks at a file.
func StampOf(path string) Stamp {
	info, err := os.Stat(path)
	if err != nil {
		return Stamp{Path: path, Size: -1}
	}
	return Stamp{Path: path, Size: info.Size(), Modified: info.ModTime().UTC()}
}

// unchanged says whether all files are what they were.
func unchanged(files []Stamp) bool {
	return !slices.ContainsFunc(files, func(s Stamp) bool {
		now := StampOf(s.Path)
		return now.Size != s.Size || !now.Modified.Equal(s.Modified)
	})
}

// Caller tells calls from one another that may be about different projects: by the directory, the Compose files that
// are named, and the variables of the environment that choose a project or an engine.
func Caller(files []string) string {
	dir, _ := os.Getwd()
	sum := sha256.New()
	sum.Write(fmt.Appendf(nil, "%q %q\n", dir, files))
	env := os.Environ()
	slices.Sort(env)
	for _, pair := range env {
		if strings.HasPrefix(pair, "COMPOSE_") || strings.HasPrefix(pair, "DOCKER_") {
			sum.Write(fmt.Appendf(nil, "%q\n", pair))
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// recordName is the record's file in the directory that the state has for each project.
const recordName = "serve.json"

// tokenName is the file beside it that has the token alone, for scrapers, which read it anew each time.
const tokenName = "serve.token"

// keptFor is how long after its end a server's address and token are the next one's of the same project, so that a
// page that is open connects to it again.
const keptFor = 2 * time.Minute

// AliveEvery is how often a server marks that it runs, by the time of its record.
const AliveEvery = 10 * time.Second

// Place is the right to be the only server of a project.
type Place struct {
	path  string // "" where nothing could be written
	leave func()
	kept  Record // what is to stand in the file
	// Before is the record of the server that ran until a moment ago; its zero value is that there was none.
	Before Record
}

// Take takes the project for this process. Where another server has it, the error says which.
func Take(project string) (*Place, error) {
	dir, err := state.ProjectDir(project)
	if err != nil {
		return nil, err
	}
	if err := state.MakeDir(dir); err != nil {
		return nil, err
	}
	p := &Place{path: filepath.Join(dir, recordName)}
	if p.leave, err = state.TryLock(p.path + ".lock"); err != nil {
		return nil, err
	}
	r, age, ok := readRecord(p.path)
	if p.leave == nil {
		return nil, taken(project, r, ok)
	}
	if ok && age < keptFor && r.Project == project && len(r.Token) == len(NewToken()) {
		p.Before = r
	}
	return p, nil
}

func taken(project string, r Record, known bool) error {
	if !known {
		return fault.New(fault.Failed, "end it with Ctrl-C where it runs",
			"a monitor -serve of %q runs already", project)
	}
	return fault.New(fault.Failed, fmt.Sprintf("open that address, or end the other with kill %d", r.PID),
		"a monitor -serve of %q runs already, since %s (pid %d): %s", project,
		r.Started.Local().Format(time.DateTime), r.PID, URL(r.Address, r.Token))
}

// Nowhere is the place of a server that can write nothing down: it is not found by looks, nor by another server.
func Nowhere() *Place { return &Place{leave: func() {}} }

// Keep writes the record. Where that can't be, the server goes on without being found, and Mark tries again.
func (p *Place) Keep(r Record) error {
	r.Shape, r.PID = shape(), os.Getpid()
	if p.kept = r; p.path == "" {
		return nil
	}
	err := p.write(r)
	if err != nil {
		_ = os.Remove(p.path) // an older server's
	}
	return err
}

func (p *Place) write(r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing %q: %w", p.path, err)
	}
	if err := state.Keep(filepath.Join(filepath.Dir(p.path), tokenName), []byte(r.Token)); err != nil {
		return err
	}
	return state.Keep(p.path, data)
}

// Mark says that the server still runs. A record that is not there, or no longer, is written.
func (p *Place) Mark() {
	now := time.Now()
	if err := os.Chtimes(p.path, now, now); errors.Is(err, fs.ErrNotExist) && p.path != "" {
		_ = p.Keep(p.kept) // the next time, else
	}
}

// Leave lets another server have the project.
func (p *Place) Leave() {
	now := time.Now()
	_ = os.Chtimes(p.path, now, now)
	p.leave()
}

// readRecord reads a record that is this user's own and nobody else's to read, and says how long ago its server ran.
func readRecord(path string) (r Record, age time.Duration, ok bool) {
	info, err := os.Lstat(path)
	if err != nil || !private(info) {
		return r, 0, false
	}
	if err := state.ReadJSON(path, &r); err != nil {
		return Record{}, 0, false
	}
	return r, time.Since(info.ModTime()), true
}

// shape changes whenever a snapshot's JSON does: a server of another version is not asked.
func shape() string {
	sum := sha256.New()
	var write func(t reflect.Type)
	write = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		sum.Write(fmt.Appendf(nil, "%s\n", t.Kind()))
		if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() {
				sum.Write(fmt.Appendf(nil, "%s %s\n", f.Name, f.Tag))
				write(f.Type)
			}
		}
	}
	write(reflect.TypeFor[monitor.Snapshot]())
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

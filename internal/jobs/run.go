package jobs

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// What a script tells the run that it starts.
const (
	placeVariable = "COMPOSE_MAGE_JOB"     // the place's directory
	tryVariable   = "COMPOSE_MAGE_JOB_TRY" // set where the run shall only show that it could do its work
)

// Trying says that this run is only to show that it can reach all that it needs.
func Trying() bool { return os.Getenv(tryVariable) != "" }

// OfScript says whether a script of the place runs this process, and not a person.
func OfScript() bool { return os.Getenv(placeVariable) != "" }

// PlaceOfScript gives the place whose script has started this process; "" for the project where there is none. Its
// project's name and folder are those of the time when the job was scheduled, so that a run can be recorded whose
// Compose files can't be read.
func PlaceOfScript(j Job) (Place, bool) {
	p := Place{Job: j, Dir: os.Getenv(placeVariable)}
	if p.Dir == "" || !filepath.IsAbs(p.Dir) {
		return Place{}, false
	}
	is, ok := p.Installed()
	p.Project, p.Folder = is.Project, is.Folder
	return p, ok && is.Job == j.Name
}

// Do runs the job once, and records its start, its end, its exit code and its last words; do writes its output into
// the place's log, and into out where out is not nil. Where a run is at work already, nothing is done: ran is false.
func (p Place) Do(ctx context.Context, out io.Writer, do func(context.Context, io.Writer) error) (ran bool, err error) {
	if err := state.MakeDir(p.Dir); err != nil {
		return false, err
	}
	release, err := state.TryLock(p.lockFile())
	if err != nil || release == nil {
		return false, err
	}
	defer release()
	log := &rotating{path: p.LogFile(), most: mostLog}
	defer log.Close()
	r := Run{Started: time.Now().Truncate(time.Second), PID: os.Getpid()}
	_ = keep(p.runFile(), r) // a full disk, which a cleanup is there for, is no reason not to begin
	tail := &bounded.Tail{Bytes: bounded.MaxLine}
	writers := []io.Writer{log, tail}
	if out != nil {
		writers = append(writers, out)
	}
	all := io.MultiWriter(writers...)
	ui.Fprintf(log, "== %s, %s\n", p.title(), r.Started.Format(time.DateTime))
	err = do(ctx, all)
	r.Ended, r.Words = time.Now().Truncate(time.Second), bounded.LastLine(tail.String())
	if err != nil {
		var status interface{ ExitStatus() int }
		r.ExitCode = int(fault.Failed)
		if errors.As(err, &status) {
			r.ExitCode = status.ExitStatus()
		}
		r.Words, _, _ = strings.Cut(bounded.Line(err.Error()), "\n")
		ui.Fprintf(log, "Error: %v\n", err)
	}
	ui.Fprintf(log, "== ended %s, exit code %d\n", r.Ended.Format(time.DateTime), r.ExitCode)
	if notKept := keep(p.runFile(), r); err == nil {
		err = notKept
	}
	return true, err
}

// mostLog is the most of a log, in bytes; as much of the one before is kept.
const mostLog = 512 << 10

// rotating is a log file that is renamed to path.1 where it has become too large.
type rotating struct {
	path string
	most int64

	mutex sync.Mutex
	file  *os.File
	size  int64
}

// Write implements io.Writer. A log that can't be written is no reason to end a job: it says so to nobody.
func (r *rotating) Write(p []byte) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.file == nil {
		r.open()
	}
	if r.size > 0 && r.size+int64(len(p)) > r.most {
		r.closeFile()
		_ = os.Rename(r.path, r.path+".1")
		r.open()
	}
	text := p
	if int64(len(text)) > r.most {
		text = text[int64(len(text))-r.most:]
	}
	if r.file != nil {
		n, _ := r.file.Write(text)
		r.size += int64(n)
	}
	return len(p), nil
}

func (r *rotating) open() {
	if info, err := os.Lstat(r.path); err == nil && !info.Mode().IsRegular() {
		_, _ = state.SetAside(r.path)
	}
	file, err := os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	r.file, r.size = file, 0
	if info, err := file.Stat(); err == nil {
		r.size = info.Size()
	}
}

func (r *rotating) closeFile() {
	if r.file != nil {
		_ = r.file.Close()
		r.file = nil
	}
}

// Close closes the file.
func (r *rotating) Close() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.closeFile()
}

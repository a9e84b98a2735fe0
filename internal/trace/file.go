package trace

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// File is a trace of one command, which is written when the command has ended.
type File struct {
	path, command string
	began         time.Time
	own           *Live // what the command does beside its builds and starts

	mu        sync.Mutex
	timelines []*Live
}

// fileMode is what a trace has: it is made to be given to others.
const fileMode = 0o644

// Open begins a trace of a command. A file that could not be written at its end is an error now.
func Open(path, command string) (*File, error) {
	if path == "" || path == "-" {
		return nil, fault.New(fault.Usage, "go tool mage "+fault.Quote(command)+" -trace=trace.json",
			"-trace=%s: a trace is written to a file", path)
	}
	whole, err := filepath.Abs(path)
	if err == nil {
		whole, err = writable(whole)
	}
	if err != nil {
		return nil, fault.New(fault.Usage,
			"go tool mage "+fault.Quote(command)+" -trace=FILE, with a file that can be written",
			"the trace can't be written to %q: %w", path, err)
	}
	f := &File{path: whole, command: command, began: time.Now()}
	f.own = &Live{t: Timeline{What: command, Began: f.began}}
	f.add(f.own)
	return f, nil
}

// writable says why no file can be put at a path, and gives the path that a link leads to.
func writable(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("it is no file")
	default:
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
		there, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return "", err
		}
		_ = there.Close()
	}
	beside, err := os.CreateTemp(filepath.Dir(path), tempName)
	if err != nil {
		return "", err
	}
	return path, errors.Join(beside.Close(), os.Remove(beside.Name()))
}

func (f *File) add(l *Live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timelines = append(f.timelines, l)
}

// The words for what a command came to.
const (
	done        = "done"
	failed      = "failed"
	interrupted = "interrupted"
)

// Close writes the trace, in one step, also where ctx has ended. err is what the command came to; what keeps the trace
// from being written is joined to it.
func (f *File) Close(ctx context.Context, err error) error {
	result := done
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		result = interrupted
	case err != nil:
		result = failed
	}
	f.own.Add(Span{
		Name: f.command, Kind: Phase, Began: f.began, Ended: time.Now(), Failed: err != nil,
		Facts: []Fact{{"result", result}},
	})
	f.own.End(err != nil, "")
	if bad := f.write(result); bad != nil {
		return errors.Join(err, fault.New(fault.Failed, "df "+fault.Quote(filepath.Dir(f.path)),
			"the trace was not written to %q: %w", f.path, bad))
	}
	return err
}

func (f *File) write(result string) error {
	facts := map[string]any{
		"command": f.command, "began": f.began.UTC().Format(time.RFC3339Nano), "result": result,
	}
	f.mu.Lock()
	all := make([]Timeline, 0, len(f.timelines))
	left := 0
	for _, l := range f.timelines {
		t := l.Timeline()
		all = append(all, t)
		left += t.LeftOut
		if t.Critical != "" {
			facts["critical path of "+title(t)] = t.Critical
		}
	}
	f.mu.Unlock()
	if left > 0 {
		facts["spans left out"] = left
	}
	return replace(f.path, func(w io.Writer) error { return Write(w, all, f.began, facts) })
}

// replace puts what write writes at a path, in one step. The disk is not waited for: that would cost more than all
// the rest of a trace.
func replace(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), tempName)
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Chmod(fileMode), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// tempName is what a file is called until it is whole.
const tempName = ".trace-*"

package restic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Repository is a place where restic keeps snapshots, whether or not there is one yet.
type Repository struct {
	Program
	Location     string // as restic takes it: a directory, sftp:…, s3:…
	PasswordFile string
	Env          []string // what the target takes from its environment, as NAME=value
	CacheDir     string   // of restic; not used for a directory of this machine
	// Patience is how long the target may fail or be silent before restic is ended; 0 is DefaultPatience.
	Patience time.Duration
	// Elsewhere runs restic where it is to see mounts; nil where that is here.
	Elsewhere Elsewhere
	// Waits is told why, where the target fails and restic tries again; it may be nil.
	Waits func(why string)
}

// Mount shows a directory at another path, to restic alone.
type Mount struct {
	From, To string
	ReadOnly bool
}

// call is one run of restic.
type call struct {
	what    string // for the error: "saving the volumes"
	args    []string
	dir     string
	mounts  []Mount
	out     io.Writer
	started func(pid int) // told the process, where it is not nil
	said    func([]byte)  // told each line of its standard error, where it is not nil
	unlocks bool
}

// telling tells each line of restic's standard error.
func (c call) telling() io.Writer {
	if c.said == nil {
		return io.Discard
	}
	return &lines{each: c.said}
}

// Failure is why a run of restic failed.
type Failure struct {
	Cause fault.ResticCause
	Exit  int // the exit code, or -1 where a signal ended it
	last  string
}

// Error is restic's last line.
func (f *Failure) Error() string {
	if f.last == "" {
		return fmt.Sprintf("restic ended with exit code %d", f.Exit)
	}
	return "restic: " + f.last
}

// CauseOf is the cause of a failure of restic's that err wraps; ResticOther where there is none.
func CauseOf(err error) fault.ResticCause {
	var f *Failure
	if errors.As(err, &f) {
		return f.Cause
	}
	return fault.ResticOther
}

// Incomplete says whether err is of a snapshot that was made though some files could not be read.
func Incomplete(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Exit == exitIncomplete
}

const (
	exitIncomplete = 3
	// grace is how long an interrupted restic may take to give back its lock.
	grace = 5 * time.Second
	// mostLines are of what restic said that an error shows.
	mostLines = 6
)

// run runs restic and waits for it. It ends with this process at the latest. Where ctx ends, or the target has not
// answered for too long, restic is interrupted, and gives back its lock.
func (r Repository) run(ctx context.Context, c call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Elsewhere != nil && len(c.mounts) > 0 {
		return r.runElsewhere(ctx, c)
	}
	args := []string{"--cache-dir", r.CacheDir}
	if r.CacheDir == "" || IsLocal(r.Location) {
		args = []string{"--no-cache"}
	}
	ssh, err := sshCommand(r.Location)
	if err != nil {
		return fmt.Errorf("%s: %w", c.what, err)
	}
	command := exec.Command(r.Path, slices.Concat(args, ssh, c.args)...)
	command.Dir, command.Env, command.WaitDelay = c.dir, r.environment(), grace
	said, failing := &bounded.Tail{Bytes: 8 * bounded.MaxLine}, newRetries(r.patience(), r.Waits)
	command.Stdout, command.Stderr = c.out, io.MultiWriter(said, &lines{each: failing.line}, c.telling())
	if c.out == nil {
		command.Stdout = io.Discard
	}
	if len(c.mounts) > 0 {
		if err := withMounts(command, c.mounts); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	child, err := daemon.StartChild(command)
	if err != nil {
		return fmt.Errorf("%s: starting restic: %w", c.what, err)
	}
	if c.started != nil {
		c.started(child.PID)
	}
	if lost := r.await(ctx, child, failing); lost != "" {
		return r.fail(c.what, &Failure{Cause: fault.ResticUnreachable, Exit: -1, last: lost}, nil)
	}
	if command.ProcessState.Success() {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", c.what, context.Cause(ctx))
	}
	text := said.String()
	if fault.ResticUnexplained(text) {
		text = fault.ResticSSH(askSSH(ctx, r.Location)) + text
	}
	return r.explain(c.what, command.ProcessState.ExitCode(), text)
}

func (r Repository) patience() time.Duration {
	if r.Patience > 0 {
		return r.Patience
	}
	return DefaultPatience
}

// await waits until restic has ended, and ends it where ctx ends. Where the target is lost it ends restic too, and says
// how the target was lost.
func (r Repository) await(ctx context.Context, child *daemon.Child, failing *retries) (lost string) {
	silent, stop := silence(child, r.patience())
	defer stop()
	select {
	case <-child.Ended():
		return ""
	case lost = <-failing.gaveUp:
	case lost = <-silent:
	case <-ctx.Done():
	}
	child.StopGroup(os.Interrupt, grace)
	return lost
}

// environment is this process's, with the repository and its password's file in place of what it says of one.
func (r Repository) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "RESTIC_") && !strings.HasPrefix(kv, "RESTIC_REST_")
	})
	return append(append(env, r.Env...), "RESTIC_REPOSITORY="+r.Location, "RESTIC_PASSWORD_FILE="+r.PasswordFile,
		"RESTIC_PROGRESS_FPS=1", "LC_ALL=C")
}

// explain is the error of a run that failed.
func (r Repository) explain(what string, exit int, said string) error {
	lines := telling(said)
	f := &Failure{Cause: fault.ResticCauseOf(said), Exit: exit, last: fault.ResticReason(lines)}
	return r.fail(what, f, lines[max(0, len(lines)-mostLines):])
}

// fail is the error of a failure, with what to do next.
func (r Repository) fail(what string, f *Failure, lines []string) error {
	code, next := r.advice(f.Cause)
	return fault.New(code, next, "%s: %w", what, f).WithDetail(lines...)
}

// advice is what to do about a failure, and the exit code of a run that it ends.
func (r Repository) advice(cause fault.ResticCause) (code fault.Code, next string) {
	switch cause {
	case fault.ResticNoRepository:
		return fault.Config, "go tool mage backup makes one at BACKUP_REPOSITORY; -from=REPOSITORY names another"
	case fault.ResticWrongPassword:
		return fault.Config,
			"BACKUP_PASSWORD_FILE=FILE, one with the password of the recovery sheet, before the same command"
	case fault.ResticLocked:
		return fault.Failed, "wait until the other run has ended; go tool mage backup -list shows its snapshots"
	case fault.ResticFull:
		return fault.Resources, "go tool mage backup -prune, or a target with more room"
	case fault.ResticForbidden:
		return fault.Config, "give this user the right to write to the target, then the same command again"
	case fault.ResticHostKey:
		return fault.Config, login("ssh", r.Location) + " once, as this user: compare the fingerprint that it shows " +
			"with the server's; then the same command again"
	case fault.ResticLogin:
		return fault.Config, login("ssh-copy-id", r.Location) + " as this user (or ssh-add, where the key has a " +
			"passphrase); then the same command again"
	case fault.ResticCredentials:
		return fault.Config, "correct the credentials in the environment or .env (AWS_ACCESS_KEY_ID and " +
			"AWS_SECRET_ACCESS_KEY for s3:), then the same command again"
	case fault.ResticNoBucket:
		return fault.Config, "make the bucket, or correct BACKUP_REPOSITORY; then the same command again"
	case fault.ResticNoProgram:
		return fault.Config, "install the program that restic misses (openssh-client has ssh), then the same command " +
			"again"
	case fault.ResticUnreachable:
		return fault.Failed, "see that " + hostOf(r.Location) + " can be reached, then the same command again"
	case fault.ResticDamaged:
		return fault.Failed,
			"go tool mage backup -prune, which checks the repository; a new one in BACKUP_REPOSITORY saves all anew"
	case fault.ResticOther:
	}
	return fault.Failed, "go tool mage backup -list"
}

// stack begins the lines of a stack trace, which restic prints with some errors.
var stack = regexp.MustCompile(`^(github\.com/|main\.|runtime\.|\t)|\.go:\d+$`)

// telling are the lines that say something to a person.
func telling(said string) (out []string) {
	for line := range strings.Lines(said) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) != "" && !stack.MatchString(line) {
			out = append(out, bounded.Line(strings.TrimSpace(line)))
		}
	}
	return out
}

// text collects an answer of restic's in memory, up to most bytes.
type text struct {
	bytes.Buffer
	most int
}

// Write implements io.Writer.
func (t *text) Write(p []byte) (int, error) {
	if t.Len()+len(p) > t.most {
		return 0, fmt.Errorf("reading restic's answer: %w", bounded.ErrTooLarge)
	}
	return t.Buffer.Write(p)
}

// lines gives each line that is written to it to the function each. A line that is too long is left out.
type lines struct {
	each func(line []byte)
	rest []byte
	skip bool
}

// mostLine is the longest line of restic's messages that is read, in bytes.
const mostLine = 1 << 20

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	written := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			break
		}
		if !l.skip {
			l.each(append(l.rest, p[:end]...))
		}
		l.rest, l.skip, p = l.rest[:0], false, p[end+1:]
	}
	if l.skip = l.skip || len(l.rest)+len(p) > mostLine; !l.skip {
		l.rest = append(l.rest, p...)
	}
	return written, nil
}

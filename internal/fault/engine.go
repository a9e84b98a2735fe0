package fault

import (
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Again is the next command where something that setup starts went away in mid-run.
const Again = "go tool mage setup, then the same command again"

// Correct is the next command where the error names what is wrong in a file of the user's.
const Correct = "correct it, then go tool mage check"

// engineStream is an error of reading what the engine was sending.
type engineStream struct{ error }

func (e engineStream) Unwrap() error { return e.error }

// EngineStream marks an error of reading from or writing to the engine after the engine had begun to answer: the
// client's types say nothing of such a connection that breaks. What the engine itself says of a failure is no such
// error.
func EngineStream(err error) error {
	if err == nil {
		return nil
	}
	return engineStream{err}
}

// EngineLost says whether err is one of a connection to the Docker Engine that could not be made, or that broke. Only
// types count: no text of an image, a log or a command can pass for it.
func EngineLost(err error) bool {
	if err == nil || errors.Is(err, os.ErrPermission) {
		return false
	}
	var stream engineStream
	if errors.As(err, &stream) && broken(stream.error) {
		return true
	}
	// of the engine's socket: nothing else here is spoken to over one but by gRPC, which hides the type
	var op *net.OpError
	if errors.As(err, &op) && (op.Net == "unix" || op.Net == "pipe") {
		return true
	}
	return client.IsErrConnectionFailed(err)
}

// broken says whether a connection ended before its end.
func broken(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &op)
}

// EngineForbidden says whether the operating system does not let this user open the engine's socket. The Docker CLI's
// error for that has no type.
func EngineForbidden(err error) bool {
	return err != nil && (errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "permission denied"))
}

// DiskFull says whether a disk is full or a quota is used up: by the operating system's error, or by the end of a
// message of another program whose error has no type here.
func DiskFull(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return true
	}
	text := strings.ToLower(strings.TrimSpace(err.Error()))
	text = strings.TrimSuffix(text, ": unknown") // what containerd appends where it has no code
	return strings.HasSuffix(text, ": no space left on device") || strings.HasSuffix(text, ": disk quota exceeded")
}

// DiskUsageRunning says whether the engine refused to measure its disk since a measurement for somebody else is
// running. Engines up to 20.10 refuse so, and have no type for the error.
func DiskUsageRunning(err error) bool {
	return err != nil && strings.Contains(err.Error(), "disk usage operation is already running")
}

// TaskLeft says whether the engine can't start the container since its containerd, or the runtime, still has what an
// engine that was killed had started of it. The engine has a type for one of the cases only. In the others what it
// says has the container's whole ID: "task ID: already exists", "container with id exists: ID", "mkdir …/ID: file
// exists".
func TaskLeft(err error, id string) bool {
	if err == nil || len(id) != 64 || EngineLost(err) {
		return false
	}
	text := strings.ToLower(err.Error())
	if cerrdefs.IsConflict(err) && strings.Contains(text, "id already in use") {
		return true
	}
	return strings.Contains(text, id) && containsAny(text, "already exists", "with id exists", "file exists")
}

// Refusal is why an engine did not make or start a container, as far as its user can do something about the reason.
type Refusal int

// The refusals. The engine, its runtime and Compose's library have no types for them.
const (
	OtherRefusal     Refusal = iota
	ProgramMissing           // the container's program is not in the image, or not one for this machine
	ImageMissing             // the image is not on the engine, and no registry gives it
	MountMissing             // what is to be mounted is not there
	NetworkAmbiguous         // two networks have the name
	NameTaken                // another container has the name
	RuntimeFailed            // the runtime failed for a reason that the others don't name
)

// refusals are the words for each, in lower case, the most telling first.
var refusals = []struct {
	refusal Refusal
	words   []string
}{
	{ProgramMissing, []string{"executable file not found", "exec format error", "exec: \""}},
	{ImageMissing, []string{"no such image", "pull access denied", "manifest unknown", "repository does not exist"}},
	{MountMissing, []string{"bind source path does not exist", "invalid mount config", "mount source"}},
	{NetworkAmbiguous, []string{" is ambiguous ("}},
	{NameTaken, []string{"is already in use by container"}},
	{RuntimeFailed, []string{"oci runtime", "runc create failed"}},
}

// RefusalOf says why an engine did not make or start a container.
func RefusalOf(err error) Refusal {
	if err == nil {
		return OtherRefusal
	}
	text := strings.ToLower(err.Error())
	for _, r := range refusals {
		if containsAny(text, r.words...) {
			return r.refusal
		}
	}
	return OtherRefusal
}

// Program is what is wrong with the program that a container was to run.
type Program int

// What may be wrong with it. The engine and its runtime have no types for that.
const (
	ProgramOther     Program = iota // nothing that the words tell of
	ProgramAbsent                   // it is not in the image
	ProgramForbidden                // it may not be run: it has no permission for that, or is a directory
	ProgramForeign                  // it is for another machine, or nothing that a kernel runs
)

// ProgramOf says what the engine's or the runtime's words tell of a container's program.
func ProgramOf(text string) Program {
	text = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), ": unknown")
	switch {
	case strings.HasSuffix(text, "exec format error"):
		return ProgramForeign
	case !strings.Contains(text, "exec: \"") && !strings.Contains(text, "exec /"):
		return ProgramOther
	case containsAny(text, "executable file not found", "no such file or directory", "not a directory"):
		return ProgramAbsent
	case containsAny(text, "permission denied", "is a directory"):
		return ProgramForbidden
	}
	return ProgramOther
}

// TakenPort is a port of the host that the engine could not bind.
type TakenPort struct {
	IP       string // "" and "0.0.0.0" for all
	Protocol string // "tcp" or "udp"
	Number   int
}

// takenPort finds the address in what engines say of a port that is taken: "Bind for 0.0.0.0:80 failed: port is
// already allocated", "listen tcp4 127.0.0.1:80: bind: address already in use", "failed to bind host port
// 127.0.0.1:80/tcp: address already in use" and "failed to bind host port for 0.0.0.0:80:172.18.0.2:80/tcp: …".
var takenPort = regexp.MustCompile(`(?:bind for|listen (?:tcp|udp)[46]?|bind host port(?: for)?) ` +
	`(\[[0-9a-f:]*\]|[0-9.]*):(\d+)`)

// PortTaken gives the port that an engine could not bind since somebody has it; ok is false where err is about
// something else.
func PortTaken(err error) (p TakenPort, ok bool) {
	if err == nil {
		return TakenPort{}, false
	}
	text := strings.ToLower(err.Error())
	m := takenPort.FindStringSubmatch(text)
	if m == nil || !containsAny(text, "already allocated", "already in use") {
		return TakenPort{}, false
	}
	n, err := strconv.Atoi(m[2])
	p = TakenPort{IP: strings.Trim(m[1], "[]"), Protocol: "tcp", Number: n}
	if containsAny(text, "listen udp", m[2]+"/udp") {
		p.Protocol = "udp"
	}
	return p, err == nil
}

func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

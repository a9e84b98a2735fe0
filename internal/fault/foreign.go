package fault

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/moby/moby/client"
	"google.golang.org/grpc/codes"
)

// Again is the next command where something that setup starts went away in mid-run.
const Again = "go tool mage setup, then the same command again"

// Correct is the next command where the error names what is wrong in a file of the user's.
const Correct = "correct it, then go tool mage check"

// engineStream is an error of reading what the engine was sending.
type engineStream struct{ error }

func (e engineStream) Unwrap() error { return e.error }

// EngineStream marks an error of reading from or writing to the engine after it had begun to answer: the client's types say nothing of
// such a connection that breaks. What the engine itself says of a failure is no such error.
func EngineStream(err error) error {
	if err == nil {
		return nil
	}
	return engineStream{err}
}

// EngineLost says whether err is one of a connection to the Docker Engine that could not be made, or that broke. Only types count:
// no text of an image, a log or a command can pass for it.
func EngineLost(err error) bool {
	if err == nil || errors.Is(err, os.ErrPermission) {
		return false
	}
	var stream engineStream
	if errors.As(err, &stream) && broken(stream.error) {
		return true
	}
	var op *net.OpError // of the engine's socket: nothing else here is spoken to over one but by gRPC, which hides the type
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

// BuilderLost says whether err may mean that the connection to BuildKit broke. A builder that answers may have said so of something
// that it did not reach itself: where err has the step that failed, it does not count.
func BuilderLost(err error) bool {
	return err != nil && grpcerrors.Code(err) == codes.Unavailable
}

// DiskFull says whether err is, or a message of a program's that this one has no type of ends with, what the operating system says where
// a disk is full or a quota is used up.
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

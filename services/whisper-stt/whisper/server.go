package whisper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

const (
	// loadLimit bounds the loading of weights; 3 GB from a slow disk take about a minute.
	loadLimit = 5 * time.Minute
	pollEvery = 50 * time.Millisecond
	maxWait   = 60 * time.Second
)

// Server is one life of a whisper-server child. It implements transcript.Engine while ready.
type Server struct {
	Program string // "whisper-server"
	Threads int    // also the child's OMP_NUM_THREADS

	model  Model
	client *http.Client
	turns  speech.Turns // the child takes one request at a time
	base   string       // http://127.0.0.1:port
}

// NewServer prepares a child for the model; Run starts it.
func NewServer(program string, model Model, threads int) *Server {
	return &Server{Program: program, Threads: threads, model: model, client: &http.Client{}, turns: make(speech.Turns, 1)}
}

// Run starts the child, calls ready once it has loaded the weights, and returns when the child has
// ended: nil if ctx asked for it, otherwise an error that says how it ended and what it said.
func (s *Server) Run(ctx context.Context, ready func()) error {
	port, err := freePort()
	if err != nil {
		return fmt.Errorf("starting whisper-server: %w", err)
	}
	s.base = "http://127.0.0.1:" + strconv.Itoa(port)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	threads := strconv.Itoa(s.Threads)
	command := exec.CommandContext(ctx, s.Program, "--host", "127.0.0.1", "--port", strconv.Itoa(port), // #nosec G204 -- set by the operator
		"--model", s.model.Path, "--threads", threads)
	command.Env = append(os.Environ(), "OMP_NUM_THREADS="+threads)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 3 * time.Second
	said := &lastWords{}
	command.Stderr = said
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting whisper-server: %w", err)
	}
	awaited := make(chan struct{})
	go func() {
		defer close(awaited)
		s.awaitReady(ctx, cancel, ready)
	}()
	err = command.Wait()
	cause := context.Cause(ctx)
	cancel(nil)
	<-awaited // ready is never called after Run has returned
	if cause != nil {
		if errors.Is(cause, context.Canceled) {
			return nil
		}
		err = cause
	}
	return fmt.Errorf("running whisper-server with %q: %w%s", s.model.Name, errors.Join(err, nilExit(err)), said.complaint())
}

// nilExit is an error for a child that ended without one though nobody asked it to.
func nilExit(err error) error {
	if err == nil {
		return errors.New("it ended by itself")
	}
	return nil
}

func (s *Server) awaitReady(ctx context.Context, cancel context.CancelCauseFunc, ready func()) {
	ticker, limit := time.NewTicker(pollEvery), time.NewTimer(loadLimit)
	defer ticker.Stop()
	defer limit.Stop()
	for !s.healthy(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			cancel(fmt.Errorf("loading took longer than %s", loadLimit))
			return
		case <-ticker.C:
		}
	}
	ready()
}

func (s *Server) healthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/health", nil)
	if err != nil {
		return false
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, answer.Body) // so that the connection can be used again
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// freePort asks the kernel; nothing else in the container listens on loopback in the meantime.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

// lastWords keeps the child's last complaint and logs the rest for debugging.
type lastWords struct {
	mutex   sync.Mutex
	pending string
	last    string
}

// Write implements io.Writer.
func (l *lastWords) Write(output []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.pending += string(output)
	for {
		line, rest, whole := strings.Cut(l.pending, "\n")
		if !whole {
			l.pending = l.pending[:min(len(l.pending), bufio.MaxScanTokenSize)]
			return len(output), nil
		}
		l.pending = rest
		slog.Debug("whisper-server", "line", line)
		for _, mark := range []string{"error", "fail", "invalid", "what():", "wrong"} {
			if strings.Contains(line, mark) {
				// The first complaint of a row names the cause, the later ones the consequences.
				l.last = strings.TrimPrefix(l.last+"; "+strings.TrimSpace(line), "; ")
				l.last = l.last[:min(len(l.last), 400)]
				break
			}
		}
	}
}

func (l *lastWords) complaint() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.last == "" {
		return ""
	}
	return " (" + l.last + ")"
}

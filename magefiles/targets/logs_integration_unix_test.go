//go:build integration && unix

package targets

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ctrl-C is how following logs ends: it is no failure.
func TestIntegrationFollowingLogsEndsWithoutAnError(t *testing.T) {
	s := newUserStack(t,
		"  app: {IMAGE}\n  talks: {image: BASE, init: true, stop_grace_period: 1s, command: [sh, -c, "+
			"'seq 30000; echo hello; exec sleep infinity']}\n")
	s.mage(0, "start")
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, "logs", "-follow")
	said, err := reading(t, command, s.dir, func(out io.ReadCloser) {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), "hello") {
				_ = command.Process.Signal(syscall.SIGINT)
			}
		}
	})
	if err != nil || strings.Contains(said, "Error") {
		t.Errorf("%v\n%s", err, said)
	}
	for _, arguments := range [][]string{
		{"logs", "-tail=all"}, {"logs", "-grep=0"}, {"logs", "-json", "-tail=all"}, {"logs", "-level=info", "-follow"},
	} {
		readOneLine(t, exec.Command(path, arguments...), s.dir)
	}
}

// readOneLine reads a line of what a command prints, and no more, as head does: that is no failure either.
func readOneLine(t *testing.T, command *exec.Cmd, dir string) {
	t.Helper()
	var line []byte
	said, err := reading(t, command, dir, func(out io.ReadCloser) {
		line, _ = bufio.NewReaderSize(out, 16).ReadSlice('\n')
		_ = out.Close()
	})
	if err != nil || said != "" || len(line) == 0 {
		t.Errorf("%v: read %q, ended %v\n%s", command.Args[1:], line, err, said)
	}
}

// reading runs a command in a folder for a minute at most, has what it prints read, and gives what it said on standard
// error and how it ended.
func reading(t *testing.T, command *exec.Cmd, dir string, read func(io.ReadCloser)) (string, error) {
	t.Helper()
	command.Dir = dir
	var said strings.Builder
	command.Stderr = &said
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = command.Process.Kill() })
	defer late.Stop()
	read(out)
	err = command.Wait()
	return said.String(), err
}

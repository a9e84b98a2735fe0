package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// outcome is what became of a fault.
type outcome int

const (
	survived outcome = iota // the tests passed
	found                   // a test failed, or the tests did not end
	broken                  // the fault does not compile
)

// result is an outcome with the first test that failed, "" where the program ended before one did.
type result struct {
	outcome outcome
	test    string
}

func (r result) String() string {
	switch {
	case r.outcome == survived:
		return "SURVIVED"
	case r.outcome == broken:
		return "does not compile"
	case r.test == "":
		return "caught, by the end of the test program"
	}
	return "caught by " + r.test
}

// mostMemory is what the tests of a fault may take, in bytes: a loop that never ends may fill memory.
const mostMemory = 8 << 30

// try runs the tests of the fault's package with the fault in it.
func try(ctx context.Context, m mutant, timeout time.Duration) (result, error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	args := []string{"test", "-json", "-count=1", "-short", "-failfast", "-vet=off", "-timeout", timeout.String()}
	if path, err := exec.LookPath("prlimit"); err == nil {
		args = append(args, "-exec", fmt.Sprintf("%s --as=%d", path, int64(mostMemory)))
	}
	if m.file != "" {
		overlay, err := overlay(dir, m)
		if err != nil {
			return result{}, err
		}
		args = append(args, "-overlay", overlay)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir, cmd.Stderr = m.dir, &stderr
	events, err := cmd.Output()
	if ctx.Err() != nil {
		return result{}, context.Cause(ctx)
	}
	if err == nil {
		return result{outcome: survived}, nil
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		return result{}, err
	}
	return judge(events, stderr.String())
}

// overlay writes the changed file, and the list that tells the go command of it.
func overlay(dir string, m mutant) (string, error) {
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	changed, list := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, m.apply(), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	return list, os.WriteFile(list, text, 0o600)
}

// event is one of go test -json (go doc test2json).
type event struct{ Action, Test, FailedBuild string }

// judge reads the events of tests that failed.
func judge(events []byte, stderr string) (result, error) {
	out, read := result{outcome: found}, false
	for line := range bytes.Lines(events) {
		var e event
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		read = true
		switch {
		case e.Action == "build-fail" || e.FailedBuild != "":
			return result{outcome: broken}, nil
		case e.Action == "fail" && e.Test != "" && out.test == "":
			out.test = e.Test
		}
	}
	if !read {
		return result{}, fmt.Errorf("go test: %s", stderr)
	}
	return out, nil
}

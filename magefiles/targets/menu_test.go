package targets

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestMenuAnswers(t *testing.T) {
	ran := ""
	saved := choices
	defer func() { choices = saved }()
	choices = append(choices[:0:0], saved...)
	for i := range choices {
		name, _, _ := strings.Cut(choices[i].label, " ")
		choices[i].run = func(context.Context) error { ran = name; return nil }
	}
	for answer, want := range map[string]string{
		"1": "full", "2": "cleanup", "3": "build", "4": "start",
		"5": "monitor", "BUILD": "build", "0": "", "": "",
	} {
		ran = ""
		var out bytes.Buffer
		if err := ask(context.Background(), strings.NewReader(answer+"\n"), &out); err != nil || ran != want {
			t.Errorf("%q ran %q (%v), want %q", answer, ran, err, want)
		}
	}
	err := ask(context.Background(), strings.NewReader("biuld\n"), io.Discard)
	if err == nil || !strings.Contains(err.Error(), `did you mean "build"`) {
		t.Errorf("got %v", err)
	}
}

func TestMenuLeavesOnCancel(t *testing.T) {
	silent, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := ask(ctx, silent, io.Discard); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

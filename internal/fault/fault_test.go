package fault

import (
	"context"
	"errors"
	"testing"
)

func TestErrorReadsAsStyled(t *testing.T) {
	cause := errors.New("exit 1: NOAUTH Authentication required")
	err := New(Failed, "go tool mage logs redis", "starting %q: dependency %q is unhealthy after 30s: %w",
		"api-backend", "redis", cause).
		WithDetail("last lines of redis:", "  Ready to accept connections")
	want := `starting "api-backend": dependency "redis" is unhealthy after 30s: exit 1: NOAUTH Authentication required
  last lines of redis:
    Ready to accept connections
  next: go tool mage logs redis`
	if err.Error() != want {
		t.Errorf("got:\n%s\nwant:\n%s", err, want)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
}

func TestExit(t *testing.T) {
	live := context.Background()
	cancelled, cancel := context.WithCancel(live)
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want int
	}{
		"plain error":     {live, errors.New("x"), 1},
		"typed error":     {live, New(Engine, "", "x"), 4},
		"wrapped":         {live, errors.Join(errors.New("y"), New(Config, "", "x")), 3},
		"after interrupt": {cancelled, New(Engine, "", "x"), 130},
	} {
		t.Run(name, func(t *testing.T) {
			var status interface{ ExitStatus() int }
			if !errors.As(Exit(c.ctx, c.err), &status) || status.ExitStatus() != c.want {
				t.Errorf("exit status %v, want %d", status, c.want)
			}
		})
	}
	if Exit(live, nil) != nil {
		t.Error("no error must stay no error")
	}
}

func TestNearest(t *testing.T) {
	services := []string{"redis", "livekit", "whisper-stt", "azure-tts", "api-backend", "eloquence-agent-v1"}
	for word, want := range map[string]string{
		"reids": "redis", "livekti": "livekit", "whisper": "whisper-stt", "azure-tss": "azure-tts",
		"api-bakend": "api-backend", "postgres": "", "x": "", "": "",
	} {
		if got := Nearest(word, services); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

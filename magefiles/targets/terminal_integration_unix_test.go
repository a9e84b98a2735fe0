//go:build integration && unix

package targets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// attack is what a program, a label or a registry may say: it sets a window's title, clears the screen, moves the
// cursor, paints, forges lines, and turns the direction of writing. %s is where it is said.
const attack = "%s\x1b]0;owned\x07\x1b[2J\x1b[9A\x1b[35mred\u009b5A\u202eevil\u200b\u2028\x08\x7f\r\n ✓ forged by %[1]s"

// ours are the sequences that our display and BuildKit's write: colours, the cursor up, down or to the line's
// start, and what is cleared.
var ours = regexp.MustCompile(`\x1b\[(?:[012]|22|3[1-46]|90)?m|\x1b\[\d*[ABG]|\x1b\[[0-3]?[JK]|\x1b\[\?25[lh]`)

// onTerminal runs a command line as a user at a terminal does, and gives what the terminal gets.
func (s *userStack) onTerminal(line string) string {
	s.t.Helper()
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, path, strings.Fields(line)...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), "TERM=xterm-256color")
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Rows: 50, Cols: 160})
	if err != nil {
		s.t.Fatal(err)
	}
	defer terminal.Close()
	got, err := io.ReadAll(terminal)
	if err != nil && !errors.Is(err, syscall.EIO) { // how a terminal ends on Linux
		s.t.Fatal(err)
	}
	_ = command.Wait()
	return string(got)
}

// obeyed gives what of it is a terminal's business but no sequence of ours.
func obeyed(text string) []string {
	var found []string
	if !utf8.ValidString(text) {
		found = append(found, "broken UTF-8")
	}
	for line := range strings.SplitSeq(ours.ReplaceAllString(text, ""), "\n") {
		for _, r := range line {
			if r != '\r' && !printable.Safe(r) {
				found = append(found, fmt.Sprintf("%U in %q", r, line))
				break
			}
		}
	}
	return found
}

// TestIntegrationNothingFromOutsideReachesATerminal runs the targets on a terminal, on a stack whose every part is
// hostile.
func TestIntegrationNothingFromOutsideReachesATerminal(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		body, _ := json.Marshal(map[string]any{"errors": []any{map[string]string{
			"code":    "DENIED",
			"message": fmt.Sprintf(attack, "a registry"),
		}}})
		_, _ = w.Write(body)
	}))
	defer registry.Close()
	s := newUserStack(t, hostileServices(t, strings.TrimPrefix(registry.URL, "http://")))
	s.orphan(fmt.Sprintf(attack, "an orphan"))
	all := ""
	for _, line := range []string{
		"start sick", "start away", "start loud", "status", "monitor", "logs -tail=20", "build",
		"build -progress=plain", "explain build",
		"cleanup -dry-run", "start -dry-run", "check", "monitor -disk", "status -json", "monitor -json",
		"cleanup -dry-run -json",
	} {
		got := s.onTerminal(line)
		for _, what := range obeyed(got) {
			t.Errorf("mage %s: a terminal would obey %s", line, what)
		}
		if forged := regexp.MustCompile(`(?m)^.{0,3} ✓ forged`).FindString(got); forged != "" {
			t.Errorf("mage %s: a forged line:\n%s", line, got)
		}
		all += got
	}
	for _, said := range []string{"a log", "a check", "a build", "a registry", "an orphan"} {
		if !strings.Contains(all, said+`\x1b]0;owned\x07\x1b[2J`) {
			t.Errorf("what %s says was not shown:\n%s", said, all)
		}
	}
	// Elsewhere logs are what the container wrote.
	if out := s.mage(0, "logs -tail=20 loud"); !strings.Contains(out, "a log\x1b]0;owned\x07") {
		t.Errorf("logs are not raw in a pipe:\n%q", out)
	}
}

// hostileServices are a service whose check, one whose log, and one whose build says the attack, and an image of a
// registry that does. Each has it in its labels too.
func hostileServices(t *testing.T, registry string) string {
	t.Helper()
	said := func(where string) string {
		text, err := json.Marshal(fmt.Sprintf(attack, where))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	// printf '%b' of the octal notation, since a Compose file is no place for raw control characters.
	prints := func(where string) string {
		var b strings.Builder
		for _, c := range []byte(fmt.Sprintf(attack, where)) {
			fmt.Fprintf(&b, `\\0%03o`, c)
		}
		return `printf '%b\\n' '` + b.String() + `'`
	}
	common := "stop_grace_period: 1s, init: true, labels: {evil: " + said("a label") + "}"
	return "  sick: {image: BASE, " + common + ", command: [sleep, infinity], healthcheck: {test: [CMD-SHELL, \"" +
		prints("a check") + "; exit 1\"], interval: 1s, retries: 2}}\n" +
		"  loud: {image: BASE, " + common + ", command: [sh, -c, \"" + prints("a log") + "; exec sleep infinity\"]}\n" +
		"  away: {image: '" + registry + "/evil:1'}\n" +
		"  build: {" + common + ", build: {dockerfile_inline: \"FROM BASE\\nRUN " + prints("a build") +
		"; exit 3\\n\"}}\n"
}

// orphan makes a container that says it is of a service of that name.
func (s *userStack) orphan(service string) {
	s.t.Helper()
	name := s.name + "-orphan-1"
	_, err := s.engine.ContainerCreate(context.Background(), client.ContainerCreateOptions{
		Name: name, Config: &container.Config{Image: s.image, Cmd: []string{"true"}, Labels: map[string]string{
			"com.docker.compose.project": s.name, "com.docker.compose.service": service,
			"com.docker.compose.oneoff":           "False",
			"com.docker.compose.container-number": "1", "com.docker.compose.project.working_dir": s.dir,
			"com.docker.compose.project.config_files": filepath.Join(s.dir, "compose.yaml"),
		}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

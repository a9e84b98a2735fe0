package compose

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

// TestWarningsOfTheLibraryAreNotObeyed guards against logrus, which prints a message as it is where a terminal reads.
func TestWarningsOfTheLibraryAreNotObeyed(t *testing.T) {
	var b bytes.Buffer
	l := logrus.New()
	l.SetOutput(&b)
	l.SetFormatter(warnings{&logrus.TextFormatter{ForceColors: true}})
	l.WithField("file", "a\x1b[2J").Warn("volume a\x1b]0;owned\x07\nforged is not used")
	if got := strings.ReplaceAll(b.String(), "\x1b[33mWARN\x1b[0m", "WARN"); !strings.Contains(got,
		`volume a\x1b]0;owned\x07\nforged is not used`) {
		t.Errorf("got %q", got)
	}
	if strings.Contains(b.String(), "\x1b[2J") || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("a terminal would obey %q", b.String())
	}
}

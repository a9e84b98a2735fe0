package compose

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/extension"
)

// TestExtensionMistakesNameTheLine: what is under x-compose-mage is refused with its file and line; package extension
// holds the texts.
func TestExtensionMistakesNameTheLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{
			"services:\n  a:\n    image: x\n    x-compose-mage:\n      runtme: go\n",
			`compose.yaml:5: service "a": unknown key "runtme" in x-compose-mage (did you mean "runtime"?)`,
		},
		{
			"services: {a: {image: x}}\nx-compose-mage:\n  smoke:\n    service: a\n    comand: [x]\n",
			`compose.yaml:5: unknown key "comand" in x-compose-mage.smoke (did you mean "command"?)`,
		},
		{
			"services: {a: {image: x}}\nx-compose-mage: {needs: {disk: much}}\n",
			`compose.yaml:2: x-compose-mage.needs.disk: "much" is no size such as 16G`,
		},
	} {
		_, err := Load(context.Background(), Request{Dir: write(t, "compose.yaml", c.text)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

// The stack that this repository ships says what its specification does.
func TestOurNeeds(t *testing.T) {
	write(t)
	s, err := Load(context.Background(), Request{Dir: filepath.Join("..", "..")})
	if err != nil {
		t.Fatal(err)
	}
	want := extension.Needs{
		Memory: 16 << 30, MemoryRecommended: 32 << 30, CPUs: 8, CPUsRecommended: 16, Disk: 100 << 30,
	}
	if got := extension.NeedsOf(s.Project); got != want {
		t.Errorf("got %+v", got)
	}
}

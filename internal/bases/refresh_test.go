package bases

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// registry is a Resolver that has the digests of words and notes what it was asked for.
type registry struct {
	words map[string]string
	asked []string
	err   error
}

func (r *registry) Resolve(_ context.Context, refs []string) (map[string]digest.Digest, error) {
	r.asked = append(r.asked, refs...)
	out := map[string]digest.Digest{}
	for ref, word := range r.words {
		out[ref] = sum(word)
	}
	return out, r.err
}

func lines(changes []Change) string {
	var b strings.Builder
	for _, c := range changes {
		b.WriteString(c.String() + "\n")
	}
	return b.String()
}

func TestRefreshPrintsWhatChanged(t *testing.T) {
	old,
		err := read(t, "# about\n\n# why debian\ndebian:12 "+sum("old").String()+"\ngone:1 "+sum("gone").String()+
		"\nsame:1 "+sum("same").String()+"\n")
	if err != nil {
		t.Fatal(err)
	}
	r := &registry{words: map[string]string{"debian:12": "new", "same:1": "same", "added:1": "added"}}
	next, changes, err := Refresh(t.Context(), r, []string{"added:1", "debian:12", "same:1"}, old, Lock{})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("added:1  new sha256:%s…\ndebian:12  sha256:%s… -> sha256:%s…\ngone:1  no longer used\n",
		sum("added").Encoded()[:12], sum("old").Encoded()[:12], sum("new").Encoded()[:12])
	if got := lines(changes); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	text := "# about\n\nadded:1 " + sum("added").String() + "\n# why debian\ndebian:12 " + sum("new").String() +
		"\nsame:1 " + sum("same").String() + "\n"
	if got := string(next.format()); got != text {
		t.Errorf("got\n%swant\n%s", got, text)
	}
	if d, _ := old.Digest("debian:12"); d != sum("old") {
		t.Error("the old lock changed")
	}
	if again, changes,
		err := Refresh(t.Context(), r, []string{"added:1", "debian:12", "same:1"}, next, Lock{}); err != nil ||
		len(changes) != 0 || string(again.format()) != text {
		t.Errorf("a second time: %v, %v\n%s", changes, err, again.format())
	}
}

// What setup made on this machine has a digest that no other machine can get: it is neither asked for nor locked for
// the project, and what the project has locked stays.
func TestRefreshLeavesThisMachinesBasesAlone(t *testing.T) {
	local := mustNew(t, "golang:1.26-bookworm", "machine", "debian:bookworm-slim", "machine")
	old := mustNew(t, "golang:1.26-bookworm", "hub", "redis:7", "hub")
	r := &registry{words: map[string]string{
		"redis:7": "newer", "golang:1.26-bookworm": "asked",
		"debian:bookworm-slim": "asked",
	}}
	next, changes,
		err := Refresh(t.Context(), r,
		[]string{"debian:bookworm-slim", "docker.io/library/golang:1.26-bookworm", "redis:7"}, old, local)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(r.asked) != "[redis:7]" {
		t.Errorf("asked for %v", r.asked)
	}
	if got := lines(changes); !strings.HasPrefix(got, "redis:7  sha256:") || len(changes) != 1 {
		t.Errorf("got\n%s", got)
	}
	if d, ok := next.Digest("debian:bookworm-slim"); ok {
		t.Errorf("debian is locked to %q, a digest of this machine or none that was asked for", d)
	}
	if d, _ := next.Digest("golang:1.26-bookworm"); d != sum("hub") {
		t.Errorf("golang is %q, want what the project had", d)
	}
}

func TestRefreshAsksNothingWhereNothingIsUsed(t *testing.T) {
	r := &registry{err: errors.New("was asked")}
	next, changes, err := Refresh(t.Context(), r, nil, mustNew(t, "gone:1", "g"), Lock{})
	if err != nil || next.Len() != 0 || lines(changes) != "gone:1  no longer used\n" || len(r.asked) > 0 {
		t.Errorf("got %v, %q, %v, asked %v", next.Refs(), lines(changes), err, r.asked)
	}
}

func TestRefreshGivesNoHalfLock(t *testing.T) {
	old := mustNew(t, "a:1", "a")
	away := fault.New(fault.Registry, "", "away")
	for name, c := range map[string]struct {
		r    *registry
		refs []string
		code fault.Code
	}{
		"registry away": {
			&registry{words: map[string]string{"a:1": "x"}, err: away},
			[]string{"a:1", "b:1"},
			fault.Registry,
		},
		"one answer short":   {&registry{words: map[string]string{"a:1": "x"}}, []string{"a:1", "b:1"}, fault.Registry},
		"half a reference":   {&registry{}, []string{"a:"}, fault.Config},
		"a pinned reference": {&registry{}, []string{"a@" + sum("a").String()}, fault.Config},
	} {
		next, changes, err := Refresh(t.Context(), c.r, c.refs, old, Lock{})
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != c.code || next.Len() != 0 || changes != nil {
			t.Errorf("%s: got %v, %v, %v, want code %d", name, next.Refs(), changes, err, c.code)
		}
	}
}

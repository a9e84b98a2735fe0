package imageload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/image"
	moby "github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
)

// holding is an engine that has one image of these layers.
type holding struct {
	Engine
	layers     []string
	containerd bool
	asked      *[]string // the images that were inspected; nil for nobody's interest
	images     []image.Summary
}

func (h holding) ContainerdStore() bool { return h.containerd }

func (h holding) ImageList(context.Context, moby.ImageListOptions) (moby.ImageListResult, error) {
	return moby.ImageListResult{Items: append([]image.Summary{{ID: "one"}, {ID: "gone"}}, h.images...)}, nil
}

func (h holding) ImageInspect(
	_ context.Context, id string, _ ...moby.ImageInspectOption,
) (moby.ImageInspectResult, error) {
	var r moby.ImageInspectResult
	if h.asked != nil {
		mu.Lock()
		*h.asked = append(*h.asked, id)
		mu.Unlock()
	}
	if id != "one" {
		return r, errors.New("no such image")
	}
	r.RootFS.Layers = h.layers
	return r, nil
}

var mu sync.Mutex

func TestOnlyImagesThatMayHoldALayerAreInspected(t *testing.T) {
	many := []image.Summary{
		{ID: "earlier", RepoTags: []string{"app:latest"}},
		{ID: "kin", Labels: map[string]string{"com.docker.compose.project": "p"}},
		{ID: "base", RepoTags: []string{"debian:12"}},
	}
	for i := range 40 {
		many = append(many, image.Summary{ID: fmt.Sprint("other", i)})
	}
	for name, c := range map[string]struct {
		diffs []digest.Digest
		fresh int
		want  int
	}{
		// of which the first eight others show it
		"the own ones have all":           {layers("base", "middle"), 0, 8 + 3},
		"a step made the rest":            {layers("base", "middle", "top"), 1, 8 + 3},
		"all of it is new":                {layers("x", "y"), 2, 3},
		"none of it ran here":             {layers("x", "y"), 0, 45},
		"what it starts from is nowhere":  {layers("x", "y", "z"), 1, 45},
		"more ran than there are layers":  {layers("x"), 9, 3},
		"nothing is asked, it is for now": {nil, 0, 3},
	} {
		var asked []string
		l := NewEngineLayers(holding{
			layers: []string{layer("base").String(), layer("middle").String()}, asked: &asked,
			images: many,
		}, "p", []string{"app"})
		if err := l.Find(t.Context(), c.diffs, []string{"docker.io/library/debian:12"}, c.fresh); err != nil ||
			len(asked) != c.want {
			t.Errorf("%s: %d were inspected, want %d (%v)", name, len(asked), c.want, err)
		}
	}
}

func layer(name string) digest.Digest { return digest.FromString(name) }

func layers(names ...string) []digest.Digest {
	var out []digest.Digest
	for _, n := range names {
		out = append(out, layer(n))
	}
	return out
}

func known(t *testing.T) *EngineLayers {
	t.Helper()
	l := NewEngineLayers(holding{layers: []string{layer("base").String(), layer("middle").String()}}, "p", nil)
	if err := l.Find(t.Context(), layers("unknown"), nil, 0); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestReserveSendsWhatTheEngineLacks(t *testing.T) {
	for _, c := range []struct {
		image []digest.Digest
		want  string
	}{
		{layers("base", "middle"), "[]"},
		{layers("base", "middle", "top"), "[2]"},
		{layers("base"), "[]"},
		{layers("base", "other", "middle"), "[1 2]"}, // a layer counts with all that is under it
		{layers("middle", "base"), "[0 1]"},
		{nil, "[]"},
	} {
		send, done, err := known(t).Reserve(t.Context(), c.image)
		if err != nil || fmt.Sprint(send) != c.want {
			t.Errorf("%v: %v, %v", c.image, send, err)
		}
		done(true)
	}
}

func TestReserveSendsAllToContainerdsStore(t *testing.T) {
	l := NewEngineLayers(holding{containerd: true}, "p", nil)
	for range 2 {
		send, done, err := l.Reserve(t.Context(), layers("base", "top"))
		if err != nil || fmt.Sprint(send) != "[0 1]" {
			t.Errorf("%v, %v", send, err)
		}
		done(true)
	}
}

func TestReserveWaitsForTheLoadThatSendsTheSameLayer(t *testing.T) {
	l := known(t)
	send, done, err := l.Reserve(t.Context(), layers("new", "a"))
	if err != nil || len(send) != 2 {
		t.Fatal(send, err)
	}
	second := make(chan []int)
	go func() {
		send, done, err := l.Reserve(context.Background(), layers("new", "b"))
		if err == nil {
			done(true)
		}
		second <- send
	}()
	select {
	case <-second:
		t.Fatal("the second did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	done(true)
	if got := <-second; fmt.Sprint(got) != "[1]" {
		t.Errorf("after the first was loaded the second sends %v", got)
	}
	// Where the first failed, the second sends all.
	_, done, _ = l.Reserve(t.Context(), layers("lost", "a"))
	done(false)
	if send, _, _ := l.Reserve(t.Context(), layers("lost", "b")); len(send) != 2 {
		t.Errorf("after a failed load: %v", send)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.Reserve(ctx, layers("lost", "c")); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait: %v", err)
	}
}

func TestForgetSendsAgain(t *testing.T) {
	l := known(t)
	l.Forget(layers("base", "middle"))
	if send, _, _ := l.Reserve(t.Context(), layers("base", "middle")); len(send) != 2 {
		t.Errorf("got %v", send)
	}
}

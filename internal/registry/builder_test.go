package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestResolveAllJoinsWhatFailed(t *testing.T) {
	refs := make([]string, 50)
	for i := range refs {
		refs[i] = fmt.Sprintf("image:%d", i)
	}
	var now, most atomic.Int64
	ask := func(_ context.Context, ref string) (digest.Digest, error) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		defer now.Add(-1)
		if strings.HasSuffix(ref, "7") {
			return "", errors.New(ref + " is away")
		}
		return digest.FromString(ref), nil
	}
	_, err := resolveAll(t.Context(), refs, ask)
	if err == nil || strings.Count(err.Error(), "is away") != 5 || !strings.Contains(err.Error(), "image:47 is away") {
		t.Errorf("got %v", err)
	}
	if most.Load() > 8 {
		t.Errorf("%d requests at once", most.Load())
	}
	got, err := resolveAll(t.Context(), refs[:5], ask)
	if err != nil || len(got) != 5 || got["image:3"] != digest.FromString("image:3") {
		t.Errorf("got %v, %v", got, err)
	}
}

package delivery

import (
	"strings"
	"testing"
)

// TestAnswersToAPush holds what engines say when they push: the first is 20.10, the others have a containerd store.
func TestAnswersToAPush(t *testing.T) {
	const one, two = "sha256:11", "sha256:22"
	for answer, c := range map[string]struct{ digest, err string }{
		`{"status":"x","progressDetail":{},"id":"a"}
			{"progressDetail":{},"aux":{"Tag":"1","Digest":"sha256:11","Size":9}}`: {digest: one},
		`{"status":"1: digest: sha256:11 size: 9"}`: {},
		`{"aux":{"manifestPushedInsteadOfIndex":true,"originalIndex":{"digest":"sha256:11"},` +
			`"selectedManifest":{"digest":"sha256:22"}}}`: {digest: two},
		`{"status":"x"}{"errorDetail":{"message":"denied"},"error":"denied"}`: {err: "denied"},
		`{"status":`: {err: "reading the engine's answer"},
		``:           {},
	} {
		got, err := readPush(strings.NewReader(answer), func(int64) {})
		if got.String() != c.digest || (err == nil) != (c.err == "") ||
			err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %s, %v", answer, got, err)
		}
	}
}

// TestPushedBytesAreCounted holds that the layers' bytes are added up, and each byte once.
func TestPushedBytesAreCounted(t *testing.T) {
	total := int64(0)
	_, err := readPush(strings.NewReader(`{"id":"a","progressDetail":{"current":1024}}
		{"id":"b","progressDetail":{"current":1024}}{"id":"a","progressDetail":{"current":3072}}
		{"id":"a","progressDetail":{}}{"id":"a","progressDetail":{"current":3072}}`), func(n int64) { total += n })
	if err != nil || total != 4096 {
		t.Errorf("%d, %v", total, err)
	}
}

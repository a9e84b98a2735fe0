package token

import (
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
)

func TestSignedTokenIsLiveKits(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	keys, err := ParseKeys("# comment\nAPIone: " + secret + "\nAPItwo: other\n")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := keys.Sign("room-1", "learner-1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.ParseAPIToken(signed)
	if err != nil {
		t.Fatal(err)
	}
	grants, err := verifier.Verify(secret)
	if err != nil {
		t.Fatal(err)
	}
	if verifier.APIKey() != "APIone" || verifier.Identity() != "learner-1" || grants.Video.Room != "room-1" || !grants.Video.RoomJoin {
		t.Errorf("key %q, identity %q, grant %+v", verifier.APIKey(), verifier.Identity(), grants.Video)
	}
	if grants.Video.RoomAdmin || grants.Video.RoomCreate || grants.Video.RoomList {
		t.Errorf("a learner gets more than joining: %+v", grants.Video)
	}
	if _, err := verifier.Verify(strings.Repeat("x", 32)); err == nil {
		t.Error("another secret verified the token")
	}
}

func TestParseKeysRefuses(t *testing.T) {
	for _, text := range []string{"", "# only a comment", "hush", "API:hush", "API: ", ": hush"} {
		if _, err := ParseKeys(text); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: got %v, want an error that doesn't quote it", text, err)
		}
	}
}

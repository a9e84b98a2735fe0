package token

import (
	"strings"
	"testing"
	"testing/synctest"
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
	_, grants, err := verifier.Verify(secret)
	if err != nil {
		t.Fatal(err)
	}
	if verifier.APIKey() != "APIone" || verifier.Identity() != "learner-1" || grants.Video.Room != "room-1" || !grants.Video.RoomJoin {
		t.Errorf("key %q, identity %q, grant %+v", verifier.APIKey(), verifier.Identity(), grants.Video)
	}
	if grants.Video.RoomAdmin || grants.Video.RoomCreate || grants.Video.RoomList {
		t.Errorf("a learner gets more than joining: %+v", grants.Video)
	}
	if _, _, err := verifier.Verify(strings.Repeat("x", 32)); err == nil {
		t.Error("another secret verified the token")
	}
}

func TestHolds(t *testing.T) {
	keys, err := ParseKeys("APIone: 0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	others, err := ParseKeys("APIone: another-secret-of-32-characters!")
	if err != nil {
		t.Fatal(err)
	}
	sign := func(k Keys, life time.Duration) string {
		signed, err := k.Sign("room-1", "learner-1", life)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	list, err := keys.SignList(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	good := sign(keys, time.Hour)
	var old string
	synctest.Test(t, func(*testing.T) { old = sign(keys, time.Hour) }) // in the year 2000
	for name, c := range map[string]struct {
		text, room, identity string
		want                 bool
	}{
		"its own":          {good, "room-1", "learner-1", true},
		"another room":     {good, "room-2", "learner-1", false},
		"another identity": {good, "room-1", "agent-1", false},
		"another secret":   {sign(others, time.Hour), "room-1", "learner-1", false},
		"expired":          {old, "room-1", "learner-1", false},
		"a list token":     {list, "room-1", "", false},
		"no token":         {"x", "room-1", "learner-1", false},
		"nothing":          {"", "room-1", "learner-1", false},
		"no signature":     {good[:strings.LastIndex(good, ".")+1], "room-1", "learner-1", false},
	} {
		if got := keys.Holds(c.text, c.room, c.identity); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestParseKeysRefuses(t *testing.T) {
	for _, text := range []string{"", "# only a comment", "hush", "API:hush", "API: ", ": hush"} {
		if _, err := ParseKeys(text); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: got %v, want an error that doesn't quote it", text, err)
		}
	}
}

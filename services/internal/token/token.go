// Package token reads the LiveKit API keys of the stack, and signs and checks with them who may join which room.
package token

import (
	"fmt"
	"strings"
	"time"

	"github.com/livekit/protocol/auth"
)

// Keys is one API key of the LiveKit server with its secret; it signs tokens.
type Keys struct{ key, secret string }

// ParseKeys reads LiveKit's key file, "key: secret" a line, and takes the first pair. Its errors
// never quote what was read.
func ParseKeys(text string) (Keys, error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, secret, found := strings.Cut(line, ": ")
		key, secret = strings.Trim(key, `"' `), strings.Trim(secret, `"' `)
		if !found || key == "" || secret == "" {
			break
		}
		return Keys{key: key, secret: secret}, nil
	}
	return Keys{}, fmt.Errorf(`parsing livekit keys: want "key: secret", with the space`)
}

// Sign signs the right to join one room under one identity, to speak and to listen, for life.
func (k Keys) Sign(room, identity string, life time.Duration) (string, error) {
	token, err := auth.NewAccessToken(k.key, k.secret).
		SetVideoGrant(&auth.VideoGrant{RoomJoin: true, Room: room}).
		SetIdentity(identity).SetValidFor(life).ToJWT()
	if err != nil {
		return "", fmt.Errorf("signing token: %w", err)
	}
	return token, nil
}

// Holds tells whether text is a token that these keys signed for that room and identity and that has not expired.
func (k Keys) Holds(text, room, identity string) bool {
	verifier, err := auth.ParseAPIToken(text)
	if err != nil || verifier.APIKey() != k.key || verifier.Identity() != identity {
		return false
	}
	_, grants, err := verifier.Verify(k.secret)
	return err == nil && grants.Video != nil && grants.Video.RoomJoin && grants.Video.Room == room
}

// SignList signs the right to list the rooms there are, for life.
func (k Keys) SignList(life time.Duration) (string, error) {
	token, err := auth.NewAccessToken(k.key, k.secret).
		SetVideoGrant(&auth.VideoGrant{RoomList: true}).SetValidFor(life).ToJWT()
	if err != nil {
		return "", fmt.Errorf("signing token: %w", err)
	}
	return token, nil
}

// Command api-backend is the stack's HTTP API: it opens sessions, hands learners the token for
// their room, and serves the reports the agent writes. It keeps nothing itself: sessions are in
// redis, and everyone who knows a session's unguessable ID may read it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/token"
)

func main() { serve.Main("api-backend", 8000, setup) }

func setup(context.Context) (*serve.Service, error) {
	address, public := os.Getenv("REDIS_ADDR"), os.Getenv("LIVEKIT_PUBLIC_URL")
	if address == "" || public == "" {
		return nil, errors.New("reading settings: REDIS_ADDR and LIVEKIT_PUBLIC_URL must be set")
	}
	password, err := serve.Secret("REDIS_PASSWORD_FILE")
	if err != nil {
		return nil, err
	}
	keyText, err := serve.Secret("LIVEKIT_KEYS_FILE")
	if err != nil {
		return nil, err
	}
	keys, err := token.ParseKeys(keyText)
	if err != nil {
		return nil, fmt.Errorf("reading LIVEKIT_KEYS_FILE: %w", err)
	}
	store := session.Open(address, password)
	api := &api{store: store, keys: keys, publicURL: public}
	return &serve.Service{
		Handler: api.routes(),
		Check: func(ctx context.Context) (map[string]any, error) {
			return map[string]any{"redis": address, "livekit": public}, store.Ping(ctx)
		},
		Close: store.Close,
	}, nil
}

// Command api-backend is the stack's HTTP API: it opens sessions, hands out the learners' tokens for
// their rooms, hands sessions to the agents once their learners are there, and serves the reports
// that the agents write. It keeps nothing itself: sessions are in redis.
//
// Opening a session takes the API's token, which servers hold; reading one also takes the session's
// own token, which its learner's browser has.
//
// Environment: REDIS_ADDR, REDIS_PASSWORD_FILE, LIVEKIT_URL, LIVEKIT_PUBLIC_URL, LIVEKIT_KEYS_FILE,
// API_TOKEN_FILE, ALLOWED_ORIGINS (whose pages may read, separated by commas), API_SESSIONS_WAITING
// (200: most sessions that wait for their learners), API_SESSIONS_PER_MINUTE (60: how many one client
// may open).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/services/internal/admission"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/token"
)

func main() { serve.Main("api-backend", 8000, setup) }

func setup(context.Context) (*serve.Service, error) {
	address, public, livekit := os.Getenv("REDIS_ADDR"), os.Getenv("LIVEKIT_PUBLIC_URL"), os.Getenv("LIVEKIT_URL")
	if address == "" || public == "" || livekit == "" {
		return nil, errors.New("reading settings: REDIS_ADDR, LIVEKIT_URL and LIVEKIT_PUBLIC_URL must be set")
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
	origins := strings.Fields(strings.ReplaceAll(os.Getenv("ALLOWED_ORIGINS"), ",", " "))
	api := &api{keys: keys, publicURL: public, origins: origins}
	if api.token, err = serve.ReadToken(); err != nil {
		return nil, err
	}
	if err := api.limit(); err != nil {
		return nil, err
	}
	store := session.Open(address, password)
	api.store = store
	arrivals := &arrivals{store: store, rooms: livekitRooms(livekit, keys)}
	return &serve.Service{
		Handler: api.routes(),
		Check: func(ctx context.Context) (map[string]any, error) {
			return map[string]any{"redis": address, "livekit": public}, store.Ping(ctx)
		},
		Run:   arrivals.run,
		Close: store.Close,
	}, nil
}

// limit reads how many sessions may wait and how fast one client may open them. As delivered one client alone can't make
// the most wait: 30 at once and 60 a minute, of which each waits two minutes, are 150 of 200.
func (a *api) limit() error {
	perMinute := 0
	for _, setting := range []struct {
		name  string
		value *int
		unset int
	}{{"API_SESSIONS_WAITING", &a.waiting, 200}, {"API_SESSIONS_PER_MINUTE", &perMinute, 60}} {
		*setting.value = setting.unset
		if text := os.Getenv(setting.name); text != "" {
			number, err := strconv.Atoi(text)
			if err != nil || number < 1 {
				return fmt.Errorf("reading settings: %s is %q, want a number above 0", setting.name, text)
			}
			*setting.value = number
		}
	}
	a.rate = admission.NewRate(float64(perMinute)/60, max(1, perMinute/2))
	return nil
}

// Command eloquence-agent-v1 is the voice coach: it takes announced sessions, joins each one's
// room, listens, has every utterance transcribed, measures its eloquence, stores the report and
// answers aloud.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/room"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/speechclient"
	"github.com/25eloquence/compose-mage/services/internal/token"
	"github.com/25eloquence/compose-mage/services/internal/utterance"
)

func main() { serve.Main("eloquence-agent-v1", 8003, setup) }

// settings are the agent's environment.
type settings struct {
	redis, livekit string
	stt, tts       speechclient.Service
	sessions       int           // AGENT_SESSIONS: how many at once, 16
	silence        time.Duration // AGENT_SILENCE: what ends an utterance, 1.2s
}

func readSettings() (settings, error) {
	read := settings{sessions: 16, silence: utterance.DefaultSilence}
	for variable, value := range map[string]*string{
		"REDIS_ADDR": &read.redis, "LIVEKIT_URL": &read.livekit, "STT_URL": &read.stt.URL, "TTS_URL": &read.tts.URL,
	} {
		if *value = os.Getenv(variable); *value == "" {
			return read, fmt.Errorf("reading settings: %s is not set", variable)
		}
	}
	var err error
	if text := os.Getenv("AGENT_SESSIONS"); text != "" {
		if read.sessions, err = strconv.Atoi(text); err != nil || read.sessions < 1 {
			return read, fmt.Errorf("reading settings: AGENT_SESSIONS is %q, want a number above 0", text)
		}
	}
	if text := os.Getenv("AGENT_SILENCE"); text != "" {
		if read.silence, err = time.ParseDuration(text); err != nil || read.silence < 200*time.Millisecond {
			return read, fmt.Errorf("reading settings: AGENT_SILENCE is %q, want a duration of at least 200ms", text)
		}
	}
	return read, nil
}

func setup(context.Context) (*serve.Service, error) {
	settings, err := readSettings()
	if err != nil {
		return nil, err
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
	apiToken, err := serve.Secret("API_TOKEN_FILE")
	if err != nil {
		return nil, err
	}
	settings.stt.Token, settings.tts.Token = apiToken, apiToken
	room.LogTo(slog.Default())
	var run [4]byte
	_, _ = rand.Read(run[:]) // never fails, see crypto/rand
	agent := &agent{
		settings: settings, keys: keys, store: session.Open(settings.redis, password),
		// Unique to the run: LiveKit takes a second participant of an identity for the first one
		// returning, and a dead one then disturbs the living.
		identity: "agent-" + hex.EncodeToString(run[:]),
		slots:    make(chan struct{}, settings.sessions),
	}
	return &serve.Service{Check: agent.check, Run: agent.run, Close: agent.store.Close}, nil
}

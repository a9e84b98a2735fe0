package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"

	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/token"
)

const (
	lookEvery = 300 * time.Millisecond
	// askTimeout bounds one question to LiveKit.
	askTimeout = 2 * time.Second
)

// arrivals hands sessions to the agents when their learners come: LiveKit makes a room when the first participant
// joins it. A session that nobody joins so takes up no agent.
type arrivals struct {
	store interface {
		Waiting(ctx context.Context) ([]string, error)
		Announce(ctx context.Context, id string) error
	}
	// rooms gives those of the named rooms that there are.
	rooms func(ctx context.Context, names []string) ([]string, error)
}

// run looks until ctx ends. Redis or LiveKit being away is no reason to end.
func (a *arrivals) run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := a.look(ctx)
		if err != nil && !failed && ctx.Err() == nil { // once for each time that it goes wrong
			slog.Warn("looking for learners", "error", err.Error())
		}
		failed = err != nil
	}
}

func (a *arrivals) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ids, err := a.store.Waiting(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	ofRoom := map[string]string{}
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		name := session.Room(id)
		ofRoom[name] = id
		names = append(names, name)
	}
	there, err := a.rooms(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range there {
		id, known := ofRoom[name]
		if !known {
			continue
		}
		if err := a.store.Announce(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// livekitRooms asks the LiveKit server at url (ws or wss).
func livekitRooms(url string, keys token.Keys) func(ctx context.Context, names []string) ([]string, error) {
	address := strings.Replace(url, "ws", "http", 1) // wss becomes https
	client := livekit.NewRoomServiceProtobufClient(address, &http.Client{Timeout: askTimeout})
	return func(ctx context.Context, names []string) ([]string, error) {
		signed, err := keys.SignList(time.Minute)
		if err == nil {
			ctx, err = twirp.WithHTTPRequestHeaders(ctx, http.Header{"Authorization": {"Bearer " + signed}})
		}
		if err != nil {
			return nil, fmt.Errorf("asking livekit for rooms: %w", err)
		}
		answer, err := client.ListRooms(ctx, &livekit.ListRoomsRequest{Names: names})
		if err != nil {
			return nil, fmt.Errorf("asking livekit for rooms: %w", err)
		}
		var there []string
		for _, room := range answer.GetRooms() {
			there = append(there, room.GetName())
		}
		return there, nil
	}
}

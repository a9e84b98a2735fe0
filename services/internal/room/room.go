// Package room is a LiveKit room as one speaker and listener sees it: 16 kHz mono sound in and
// out. It hides WebRTC, Opus and the gaps of a real network; it knows nothing of what is said.
package room

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/go-logr/logr"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
)

// Events are a room's calls back; any may be nil. They come from several goroutines and must
// not block for long.
type Events struct {
	// Listen is called for each audio track; the sink it returns gets the track's sound in order,
	// with silence where nothing arrives, until the track ends. A nil sink ignores the track.
	Listen func(identity string) (sink func(samples []int16))
	// Joined and Left report other participants; those present before come from Present.
	Joined, Left func(identity string)
	// Closed says that the connection is over, and why, unless Leave ended it.
	Closed func(reason string)
}

// Room is a joined room. End it with Leave.
type Room struct {
	joined  *lksdk.Room
	voice   *voice
	leave   context.CancelFunc
	reading sync.WaitGroup
}

// LogTo sends the WebRTC libraries' logs to log; call it once, before the first Join. Only
// warnings pass, since they narrate every packet's way at info.
func LogTo(log *slog.Logger) {
	lksdk.SetLogger(logger.LogRLogger(logr.FromSlogHandler(warnings{log.Handler()})))
}

type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// Join enters the room that token names on the LiveKit server at url (ws or wss) and publishes a
// voice. It fails when ctx ends or the server refuses.
func Join(ctx context.Context, url, token string, events Events) (*Room, error) {
	life, leave := context.WithCancel(context.Background())
	room := &Room{leave: leave}
	room.voice = newVoice()
	connected := make(chan error, 1)
	room.joined = lksdk.NewRoom(room.callbacks(life, events))
	go func() { connected <- room.joined.JoinWithToken(url, token) }()
	select {
	case err := <-connected:
		if err != nil {
			leave()
			return nil, fmt.Errorf("joining room: %w", err)
		}
	case <-ctx.Done():
		go func() { // the SDK can't be interrupted: leave when it is through
			if <-connected == nil {
				room.Leave()
			}
		}()
		return nil, fmt.Errorf("joining room: %w", context.Cause(ctx))
	}
	if err := room.voice.publish(room.joined); err != nil {
		room.Leave()
		return nil, err
	}
	return room, nil
}

func (r *Room) callbacks(life context.Context, events Events) *lksdk.RoomCallback {
	callbacks := lksdk.NewRoomCallback()
	callbacks.OnParticipantConnected = func(p *lksdk.RemoteParticipant) {
		if events.Joined != nil {
			events.Joined(p.Identity())
		}
	}
	callbacks.OnParticipantDisconnected = func(p *lksdk.RemoteParticipant) {
		if events.Left != nil {
			events.Left(p.Identity())
		}
	}
	callbacks.OnDisconnectedWithReason = func(reason lksdk.DisconnectionReason) {
		if events.Closed != nil && life.Err() == nil {
			events.Closed(string(reason))
		}
	}
	callbacks.OnLocalTrackSubscribed = func(*lksdk.LocalTrackPublication, *lksdk.LocalParticipant) { r.voice.subscribed() }
	callbacks.OnTrackSubscribed = func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
		if track.Kind() != webrtc.RTPCodecTypeAudio || events.Listen == nil {
			return
		}
		sink := events.Listen(p.Identity())
		if sink == nil {
			return
		}
		r.reading.Go(func() {
			if err := listen(life, track, sink); err != nil {
				slog.Warn("listening ended", "identity", p.Identity(), "error", err.Error())
			}
		})
	}
	return callbacks
}

// Present tells whether a participant is in the room now.
func (r *Room) Present(identity string) bool {
	return r.joined.GetParticipantByIdentity(identity) != nil
}

// Leave disconnects and waits for the sinks to have had their last call.
func (r *Room) Leave() {
	r.leave()
	// Disconnecting unpublishes too; UnpublishTrack itself fails in this SDK.
	r.joined.DisconnectWithReason(livekit.DisconnectReason_CLIENT_INITIATED)
	r.reading.Wait()
}

// errUnheard says that nobody has subscribed to the voice.
var errUnheard = errors.New("nobody is listening")

package room

import (
	"context"
	"fmt"
	"sync"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"github.com/thesyncim/gopus"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

const (
	frameLength  = 20 * time.Millisecond
	frameSamples = speech.Rate / 50
	maxPacket    = 4000 // bytes, enough for any Opus packet
	bitrate      = 32_000
	// subscriptionWait is how long Speak waits for a first listener.
	subscriptionWait = 10 * time.Second
	// leadIn and leadOut are silence round what is said: the first packets after a subscription
	// may be lost to the negotiation, and a decoder ends softly.
	leadIn  = 400 * time.Millisecond
	leadOut = 200 * time.Millisecond
)

// voice is the published track. Opus takes 16 kHz as it is: no resampler.
type voice struct {
	speaking sync.Mutex // one sentence at a time
	track    *lksdk.LocalTrack
	encoder  *gopus.Encoder
	heard    chan struct{}
	once     sync.Once
}

func newVoice() *voice { return &voice{heard: make(chan struct{})} }

func (v *voice) subscribed() { v.once.Do(func() { close(v.heard) }) }

func (v *voice) publish(room *lksdk.Room) error {
	encoder, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: speech.Rate, Channels: 1, Application: gopus.ApplicationVoIP})
	if err == nil {
		err = encoder.SetBitrate(bitrate)
	}
	if err == nil {
		err = encoder.SetFrameSize(frameSamples)
	}
	if err != nil {
		return fmt.Errorf("preparing opus: %w", err)
	}
	// RTP's clock for Opus is 48 kHz with two channels, whatever is inside (RFC 7587, section 4).
	track, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: rtpRate, Channels: 2})
	if err == nil {
		_, err = room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{Name: "voice"})
	}
	if err != nil {
		return fmt.Errorf("publishing voice: %w", err)
	}
	v.track, v.encoder = track, encoder
	return nil
}

// Speak says sound (any rate) aloud in real time and returns when it has been said. It waits for
// a first listener, and fails if none subscribes within ten seconds or ctx ends.
func (r *Room) Speak(ctx context.Context, sound speech.PCM) error {
	v := r.voice
	v.speaking.Lock()
	defer v.speaking.Unlock()
	select {
	case <-v.heard:
	case <-time.After(subscriptionWait):
		return fmt.Errorf("speaking: %w", errUnheard)
	case <-ctx.Done():
		return fmt.Errorf("speaking: %w", context.Cause(ctx))
	}
	samples := speech.Resample(sound, speech.Rate).Samples
	frames := make([]int16, samplesOf(leadIn), samplesOf(leadIn)+len(samples)+samplesOf(leadOut)+frameSamples)
	frames = append(frames, samples...)
	frames = append(frames, make([]int16, samplesOf(leadOut))...)
	began, sent := time.Now(), 0
	for ; len(frames) >= frameSamples; frames = frames[frameSamples:] {
		// Against the clock, not by sleeping a frame each: lateness must not add up.
		select {
		case <-time.After(time.Until(began.Add(time.Duration(sent) * frameLength))):
		case <-ctx.Done():
			return fmt.Errorf("speaking: %w", context.Cause(ctx))
		}
		if err := v.send(frames[:frameSamples]); err != nil {
			return err
		}
		sent++
	}
	return nil
}

func (v *voice) send(frame []int16) error {
	packet := make([]byte, maxPacket)
	n, err := v.encoder.EncodeInt16(frame, packet)
	if err != nil {
		return fmt.Errorf("encoding opus: %w", err)
	}
	if err := v.track.WriteSample(media.Sample{Data: packet[:n], Duration: frameLength}, nil); err != nil {
		return fmt.Errorf("sending voice: %w", err)
	}
	return nil
}

func samplesOf(d time.Duration) int { return int(d * speech.Rate / time.Second) }

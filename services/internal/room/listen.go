package room

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/thesyncim/gopus"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

const (
	rtpRate = 48_000                // Hz of RTP timestamps for Opus
	clock   = rtpRate / speech.Rate // timestamp units a sample
	// maxDecoded is Opus's longest packet, 120 ms.
	maxDecoded = speech.Rate * 120 / 1000
	// A browser sends next to nothing while its speaker is silent (DTX) and nothing while muted;
	// after quiet without a packet, silence is made up every tick.
	quiet = 200 * time.Millisecond
	tick  = 100 * time.Millisecond
	// maxGap bounds the silence made up for one jump of the timestamps.
	maxGap = 2 * speech.Rate
)

// listen decodes a track into sink until the track or ctx ends.
func listen(ctx context.Context, track *webrtc.TrackRemote, sink func([]int16)) error {
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(speech.Rate, 1))
	if err != nil {
		return fmt.Errorf("preparing opus: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	packets := make(chan *rtp.Packet, 64)
	go func() { // ends with the track: leaving the room closes it
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				cancel(err)
				return
			}
			select {
			case packets <- packet:
			case <-ctx.Done():
				return
			}
		}
	}()
	hear(ctx, packets, decoder, sink)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading track: %w", err)
	}
	return nil
}

func hear(ctx context.Context, packets <-chan *rtp.Packet, decoder *gopus.Decoder, sink func([]int16)) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var line timeline
	pcm := make([]int16, maxDecoded)
	fed, arrived := time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if now.Sub(arrived) >= quiet && line.started {
				n := samplesOf(now.Sub(fed))
				line.idle(n)
				sink(make([]int16, n))
				fed = now
			}
		case packet := <-packets:
			if len(packet.Payload) == 0 {
				continue // padding, which probes bandwidth
			}
			n, err := decoder.DecodeInt16(packet.Payload, pcm)
			if err != nil {
				continue // a broken packet is a lost one: the next one's timestamp fills the gap
			}
			fed, arrived = time.Now(), time.Now()
			silence, late := line.place(packet.Timestamp, n)
			if late {
				continue
			}
			sink(append(make([]int16, silence, silence+n), pcm[:n]...))
		}
	}
}

// timeline places packets by their RTP timestamps, so that what is not sent or is lost becomes
// silence of the right length.
type timeline struct {
	started    bool
	last, next uint32 // timestamps of the packet before, and where its sound ends
}

// place returns the samples of silence before a packet of n samples, or that it comes too late.
// Differences are taken modulo 2^32, as the timestamps wrap.
func (t *timeline) place(timestamp uint32, n int) (silence int, late bool) {
	if t.started {
		if int32(timestamp-t.last) <= 0 { // #nosec G115 -- serial number arithmetic
			return 0, true
		}
		// A negative gap only means that idle made up a little too much.
		silence = min(max(int(int32(timestamp-t.next))/clock, 0), maxGap) // #nosec G115 -- as above
	}
	t.started, t.last = true, timestamp
	t.next = timestamp + uint32(n)*clock // #nosec G115 -- at most 120 ms
	return silence, false
}

// idle advances the line by n samples of silence.
func (t *timeline) idle(n int) { t.next += uint32(n) * clock } // #nosec G115 -- wraps as timestamps do

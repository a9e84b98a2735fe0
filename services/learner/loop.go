package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/room"
	"github.com/25eloquence/compose-mage/services/internal/session"
	"github.com/25eloquence/compose-mage/services/internal/speech"
	"github.com/25eloquence/compose-mage/services/internal/speechclient"
	"github.com/25eloquence/compose-mage/services/internal/utterance"
)

const (
	pollEvery = 200 * time.Millisecond
	// quietest is the RMS (of 32768) an audible answer has at least.
	quietest = 300
	// answerSilence ends the answer; the voice's pauses between sentences are shorter.
	answerSilence = time.Second
	// answerHeard is how much of the answer is listened to: it is spoken in real time, and its end proves nothing more.
	answerHeard = 3 * time.Second
)

// loop is one run through the stack; each step fills in what the next ones need.
type loop struct {
	api, tts, livekit, text, language string

	token string // the API's, as a server holds it; what a browser does is done with the session's own

	opened struct {
		ID    string `json:"id"`
		Token string `json:"token"`
	}
	sound   speech.PCM
	room    *room.Room
	answers chan []int16
	closed  chan string
	result  result
}

func (l *loop) run(ctx context.Context) error {
	if l.api == "" || l.tts == "" || l.livekit == "" {
		return errors.New("reading settings: API_URL, TTS_URL and LIVEKIT_URL must be set")
	}
	defer func() {
		if l.room != nil {
			l.room.Leave()
		}
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"voice", l.synthesise},
		{"session", l.open},
		{"join", l.join},
		{"speak", l.speak},
		{"report", l.awaitReport},
		{"answer", l.awaitAnswer},
	} {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return fmt.Errorf("step %q failed after %.1f s: %w", step.name, time.Since(began).Seconds(), err)
		}
		l.result.Seconds[step.name] = round(time.Since(began).Seconds())
		slog.Info("done", "step", step.name, "seconds", l.result.Seconds[step.name])
	}
	return nil
}

// synthesise has the stack's own voice say the sentence's parts and joins them with pauses.
func (l *loop) synthesise(ctx context.Context) error {
	for part := range strings.SplitSeq(l.text, "...") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		voice := speechclient.Service{URL: l.tts, Token: l.token}
		sound, err := speechclient.Speak(ctx, voice, strings.TrimSpace(part), l.language)
		if err != nil {
			return err
		}
		if len(l.sound.Samples) > 0 {
			l.sound.Samples = append(l.sound.Samples, make([]int16, pause*speech.Rate/time.Second)...)
		}
		l.sound.Samples = append(l.sound.Samples, trim(speech.Resample(sound, speech.Rate).Samples)...)
	}
	l.sound.Rate = speech.Rate
	if utterance.RMS(l.sound.Samples) < quietest {
		return fmt.Errorf("the voice is silent: rms %.0f, want at least %d", utterance.RMS(l.sound.Samples), quietest)
	}
	return nil
}

// trim cuts the silence a voice leaves at both ends, so that a pause lasts as long as it should.
func trim(samples []int16) []int16 {
	const window = speech.Rate / 50
	for len(samples) > window && utterance.RMS(samples[:window]) < 100 {
		samples = samples[window:]
	}
	for len(samples) > window && utterance.RMS(samples[len(samples)-window:]) < 100 {
		samples = samples[:len(samples)-window]
	}
	return samples
}

func (l *loop) open(ctx context.Context) error {
	body := fmt.Sprintf(`{"language":%q}`, l.language)
	for {
		status, err := l.ask(ctx, http.MethodPost, "/v1/sessions", body, l.token, &l.opened)
		switch {
		case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
			slog.Info("asking for a session again", "status", status)
		case err == nil && status != http.StatusCreated:
			return fmt.Errorf("opening session: got %d, want 201", status)
		default:
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

// ask sends a request to the API under a token and decodes a 2xx answer into value. The status comes with an error too.
func (l *loop) ask(ctx context.Context, method, path, body, token string, value any) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, l.api+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return 0, fmt.Errorf("reading answer of %s %s: %w", method, path, err)
	}
	if answer.StatusCode/100 != 2 {
		return answer.StatusCode, fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, strings.TrimSpace(string(content)))
	}
	if err := json.Unmarshal(content, value); err != nil {
		return 0, fmt.Errorf("reading answer of %s %s: %w", method, path, err)
	}
	return answer.StatusCode, nil
}

// join enters the room under the token of the session, at the address inside the network.
func (l *loop) join(ctx context.Context) (err error) {
	l.answers, l.closed = make(chan []int16, 4), make(chan string, 1)
	l.room, err = room.Join(ctx, l.livekit, l.opened.Token, room.Events{
		Closed: func(reason string) { l.closed <- reason },
		Listen: func(string) func([]int16) {
			detector := utterance.NewCut(answerSilence, answerHeard)
			return func(samples []int16) {
				for _, answer := range detector.Write(samples) {
					select {
					case l.answers <- answer:
					default: // nobody waits for a fifth answer
					}
				}
			}
		},
	})
	return err
}

func (l *loop) speak(ctx context.Context) error { return l.room.Speak(ctx, l.sound) }

func (l *loop) awaitReport(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		var report session.Report
		status, err := l.ask(ctx, http.MethodGet, "/v1/sessions/"+l.opened.ID+"/report", "", l.opened.Token, &report)
		if err != nil {
			return err
		}
		if status == http.StatusOK && len(report.Turns) > 0 {
			l.compare(report.Turns[len(report.Turns)-1])
			return nil
		}
		select {
		case <-tick.C:
		case reason := <-l.closed:
			return fmt.Errorf("livekit closed the room: %s", reason)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (l *loop) compare(turn session.Turn) {
	said := words(l.text)
	r := &l.result
	r.Heard, r.Engine = turn.Text, turn.Engine
	r.Words, r.Right = len(said), matches(said, words(turn.Text))
	r.Ratio = round(float64(r.Right) / float64(max(r.Words, 1)))
	r.WordsPerMinute = turn.Measures.WordsPerMinute
	r.Pauses, r.Fillers = len(turn.Measures.Pauses), len(turn.Measures.Fillers)
}

func (l *loop) awaitAnswer(ctx context.Context) error {
	select {
	case samples := <-l.answers:
		l.result.AnswerSeconds = round(float64(len(samples)) / speech.Rate)
		l.result.AnswerRMS = round(utterance.RMS(samples))
	case reason := <-l.closed:
		return fmt.Errorf("livekit closed the room: %s", reason)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if l.result.AnswerRMS < quietest {
		return fmt.Errorf("the answer is too quiet: rms %.0f, want at least %d", l.result.AnswerRMS, quietest)
	}
	return nil
}

func round(value float64) float64 { return math.Round(value*1000) / 1000 }

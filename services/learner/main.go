// Command learner is the smoke test's learner. It opens a session, has a sentence spoken by the
// stack's own voice, says it in the room over WebRTC, waits for the report and listens to the
// spoken answer: the whole loop, as a browser would use it. The result is one JSON object on
// stdout; on failure stderr names the step and the exit code is 1.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/room"
	"github.com/25eloquence/compose-mage/services/internal/serve"
)

// defaultSentence has common words and one pause ("..."), so that every measure has a value to show.
const defaultSentence = "good morning my name is john and today i want to talk about my work ... " +
	"we help people to speak with confidence in front of a large group"

// pause is the silence said for "...": above the 0.5 s that count, below the agent's end of
// utterance.
const pause = 700 * time.Millisecond

// result is what the loop measured. Seconds has the duration of each step: answer runs from the
// report to the end of what was listened to of the spoken answer.
type result struct {
	Sentence       string             `json:"sentence"`
	Heard          string             `json:"heard"`
	Words          int                `json:"words"`
	Right          int                `json:"right"`
	Ratio          float64            `json:"ratio"`
	WordsPerMinute float64            `json:"words_per_minute"`
	Pauses         int                `json:"pauses"`
	Fillers        int                `json:"fillers"`
	Engine         string             `json:"engine"`
	AnswerSeconds  float64            `json:"answer_seconds"`
	AnswerRMS      float64            `json:"answer_rms"`
	Seconds        map[string]float64 `json:"seconds"`
}

func main() {
	text := flag.String("text", defaultSentence, `the sentence to say; "..." is a pause`)
	language := flag.String("language", "en", "the sentence's language")
	deadline := flag.Duration("deadline", 90*time.Second, "for the whole loop")
	flag.Parse()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	room.LogTo(slog.Default())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	ctx, cancel := context.WithTimeoutCause(ctx, *deadline, fmt.Errorf("the deadline of %s has passed", *deadline))
	loop := &loop{
		api: os.Getenv("API_URL"), tts: os.Getenv("TTS_URL"), livekit: os.Getenv("LIVEKIT_URL"),
		text: *text, language: *language, result: result{Sentence: *text, Seconds: map[string]float64{}},
	}
	var err error
	if loop.token, err = serve.Secret("API_TOKEN_FILE"); err == nil {
		err = loop.run(ctx)
	}
	cancel()
	stop()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(loop.result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "learner:", err)
		os.Exit(1)
	}
}

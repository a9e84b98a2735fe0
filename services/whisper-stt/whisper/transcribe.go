package whisper

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/25eloquence/compose-mage/services/internal/speech"
	"github.com/25eloquence/compose-mage/services/whisper-stt/transcript"
)

// maxAnswer bounds the child's answer, in bytes; a minute of speech makes about 50 kB.
const maxAnswer = 16 << 20

// Name implements transcript.Engine.
func (*Server) Name() string { return "whisper" }

// Model implements transcript.Engine.
func (s *Server) Model() string { return s.model.Name }

// Languages implements transcript.Engine.
func (s *Server) Languages() []string { return s.model.Languages() }

// timeout allows the large model ten times the sound's length on few cores.
func timeout(length time.Duration) time.Duration { return time.Minute + 10*length }

// Transcribe implements transcript.Engine.
func (s *Server) Transcribe(ctx context.Context, sound speech.PCM, language string) (transcript.Transcript, error) {
	release, err := s.turns.Take(ctx, maxWait)
	if err != nil {
		return transcript.Transcript{}, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, timeout(sound.Duration()))
	defer cancel()
	heard, err := s.ask(ctx, sound, language)
	if err != nil {
		return transcript.Transcript{}, fmt.Errorf("listening with whisper: %w", err)
	}
	return heard.transcript(sound.Duration().Seconds()), nil
}

// answer is the part used of whisper-server's verbose_json.
type answer struct {
	Language string `json:"language"` // a name of spoken
	Text     string `json:"text"`
	Segments []struct {
		Words []transcript.Word `json:"words"` // tokens, in truth
	} `json:"segments"`
}

func (s *Server) ask(ctx context.Context, sound speech.PCM, language string) (answer, error) {
	if language == "" {
		language = "auto"
	}
	if !s.model.Multilingual {
		language = "en"
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	// Writing into memory can't fail. suppress_nst leaves out what is not speech, such as "♪".
	for _, field := range [][2]string{
		{"response_format", "verbose_json"},
		{"language", language},
		{"no_language_probabilities", "true"},
		{"suppress_nst", "true"},
	} {
		_ = form.WriteField(field[0], field[1])
	}
	file, _ := form.CreateFormFile("file", "speech.wav")
	_, _ = file.Write(speech.EncodeWAV(sound))
	_ = form.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/inference", &body)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, err
	}
	if response.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("whisper-server answered with status %d: %q", response.StatusCode, content[:min(len(content), 200)])
	}
	var heard answer
	if err := json.Unmarshal(content, &heard); err != nil {
		return answer{}, fmt.Errorf("reading whisper-server's answer: %w", err)
	}
	return heard, nil
}

// transcript clamps times to the length of the sound, in seconds: Whisper pads it to 30 s and may
// end its last word in the padding.
func (a answer) transcript(length float64) transcript.Transcript {
	result := transcript.Transcript{Text: strings.Join(strings.Fields(a.Text), " "), Language: a.Language, Words: a.words(length)}
	for _, language := range spoken {
		if language.name == a.Language {
			result.Language = language.code
		}
	}
	return result
}

// words joins tokens to words: one begins at each token that starts with a space. Punctuation
// round a word goes; what is only punctuation or a stage direction ("[BLANK_AUDIO]") is no word.
// Languages written without spaces come as longer pieces.
func (a answer) words(length float64) []transcript.Word {
	var joined []transcript.Word
	for _, segment := range a.Segments {
		for _, token := range segment.Words {
			if len(joined) == 0 || strings.HasPrefix(token.Word, " ") {
				joined = append(joined, token)
				continue
			}
			last := &joined[len(joined)-1]
			last.Word, last.End = last.Word+token.Word, max(last.End, token.End)
		}
	}
	words := []transcript.Word{}
	for _, word := range joined {
		text := strings.TrimSpace(word.Word)
		if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "(") {
			continue
		}
		text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) || unicode.IsSpace(r) })
		if text != "" {
			words = append(words, transcript.Word{Word: text, Start: centiseconds(min(word.Start, length)), End: centiseconds(min(word.End, length))})
		}
	}
	return words
}

// centiseconds undoes 0.29000000000000004; Whisper's times are multiples of 0.01 s.
func centiseconds(seconds float64) float64 { return math.Round(seconds*100) / 100 }

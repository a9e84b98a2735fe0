package pocketsphinx

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/services/whisper-stt/transcript"
)

// parseSegments reads one utterance of a -hypseg file (sphinx3's format, one line):
//
//	id S scale T score A score L score {first-frame acoustic-score language-score word} end-frame
//
// A word lasts until the next one's first frame. Silence and noise are left out, fillers come as
// "uh" and "um". An utterance without a word, or without a line, is no error.
func parseSegments(file []byte) ([]transcript.Word, error) {
	words := []transcript.Word{}
	fields := strings.Fields(string(file))
	const header = 9
	if len(fields) <= header {
		return words, nil
	}
	rest := fields[header:]
	for len(rest) >= 5 {
		start, err := strconv.Atoi(rest[0])
		if err != nil {
			return nil, fmt.Errorf("reading segmentation: %q is no frame", rest[0])
		}
		end, err := strconv.Atoi(rest[4])
		if err != nil {
			return nil, fmt.Errorf("reading segmentation: %q is no frame", rest[4])
		}
		if word := spoken(rest[3]); word != "" {
			words = append(words, transcript.Word{Word: word, Start: seconds(start), End: seconds(end)})
		}
		rest = rest[4:]
	}
	return words, nil
}

// seconds converts frames of 10 ms in integers first, so that JSON shows 0.29 and not 0.29000000000000004.
func seconds(frames int) float64 { return float64(frames*10) / 1000 }

// spoken is the word of a dictionary entry: "to(2)" is a variant of "to"; <s>, <sil> and [NOISE] are none.
func spoken(entry string) string {
	switch entry {
	case "++UH++":
		return "uh"
	case "++UM++":
		return "um"
	}
	if strings.ContainsAny(entry[:1], "<[+(") {
		return ""
	}
	word, _, _ := strings.Cut(entry, "(")
	return word
}

func join(words []transcript.Word) string {
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = word.Word
	}
	return strings.Join(texts, " ")
}

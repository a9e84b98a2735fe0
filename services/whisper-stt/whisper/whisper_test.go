package whisper

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
	"github.com/25eloquence/compose-mage/services/whisper-stt/whisper/ggmltest"
)

func tiny(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := ggmltest.Write(&file, 1); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func save(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFindModel(t *testing.T) {
	whole := tiny(t)
	number := func(field int, value uint32) []byte {
		changed := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(changed[4*field:], value)
		return changed
	}
	for _, c := range []struct {
		name      string
		file      []byte
		languages int
		fails     string
	}{
		{name: "multilingual", file: whole, languages: 99},
		{name: "English", file: number(1, 51864), languages: 1},
		{name: "large v3", file: append(number(1, 51866), make([]byte, 128)...), languages: 100},
		{name: "error page", file: []byte("<html>404</html>" + strings.Repeat(" ", 100)), fails: "not a ggml file"},
		{name: "empty", fails: "not a ggml file"},
		{name: "half", file: whole[:len(whole)/2], fails: "unfinished download"},
		{name: "cut in the header", file: whole[:20], fails: "magic"},
		{name: "wild header", file: number(3, 1<<30), fails: "damaged"},
		{name: "float32 claimed", file: number(11, 0), fails: "unfinished download"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			save(t, filepath.Join(folder, "ggml-x.bin"), c.file)
			model, err := FindModel(folder, "")
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || errors.Is(err, ErrNoModel) {
					t.Errorf("got %v, want %q", err, c.fails)
				}
				return
			}
			if err != nil || model.Name != "ggml-x.bin" || len(model.Languages()) != c.languages {
				t.Errorf("got %+v with %d languages, %v", model, len(model.Languages()), err)
			}
		})
	}
}

func TestFindModelByName(t *testing.T) {
	folder := t.TempDir()
	if _, err := FindModel(folder, ""); !errors.Is(err, ErrNoModel) {
		t.Errorf("empty folder: got %v", err)
	}
	save(t, filepath.Join(folder, "ggml-a.bin"), tiny(t))
	save(t, filepath.Join(folder, "ggml-b.bin"), tiny(t))
	for asked, want := range map[string]string{"": "ggml-a.bin", "ggml-b.bin": "ggml-b.bin", "../ggml-a.bin": "", "..": "", "ggml-c.bin": ""} {
		model, err := FindModel(folder, asked)
		if model.Name != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", asked, model.Name, err)
		}
	}
}

func TestTokensBecomeWords(t *testing.T) {
	const verbose = `{"language":"haitian creole","text":" Hello, I don't\n know. [BLANK_AUDIO]\n","segments":[
		{"words":[{"word":" Hel","start":0.1,"end":0.2},{"word":"lo","start":0.2,"end":0.29000000000000004},{"word":",","start":0.29,"end":0.3},
			{"word":" I","start":0.4,"end":0.5},{"word":" don","start":0.5,"end":0.6},{"word":"'t","start":0.6,"end":0.7}]},
		{"words":[{"word":" know","start":1,"end":1.2},{"word":".","start":1.2,"end":1.1},{"word":" -","start":1.3,"end":1.3}]},
		{"text":"no words"},
		{"words":[{"word":" [","start":2,"end":2},{"word":"BLANK_AUDIO","start":2,"end":3},{"word":"]","start":3,"end":3}]}]}`
	var heard answer
	if err := json.Unmarshal([]byte(verbose), &heard); err != nil {
		t.Fatal(err)
	}
	got := heard.transcript(1.1)
	if got.Language != "ht" || got.Text != "Hello, I don't know. [BLANK_AUDIO]" {
		t.Errorf("got %q in %q", got.Text, got.Language)
	}
	printed, err := json.Marshal(got.Words)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"word":"Hello","start":0.1,"end":0.3},{"word":"I","start":0.4,"end":0.5},` +
		`{"word":"don't","start":0.5,"end":0.7},{"word":"know","start":1,"end":1.1}]`
	if string(printed) != want {
		t.Errorf("got  %s\nwant %s", printed, want)
	}
	if words := (answer{}).transcript(1).Words; words == nil || len(words) != 0 {
		t.Errorf("silence has the words %v", words)
	}
}

// program finds whisper-server on PATH or in WHISPER_SERVER.
func program(t *testing.T) string {
	t.Helper()
	name := os.Getenv("WHISPER_SERVER")
	if name == "" {
		name = "whisper-server"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("set WHISPER_SERVER:", err) // the image's test runs it in any case
	}
	return path
}

func TestServerListensEndToEnd(t *testing.T) {
	binary, folder := program(t), t.TempDir()
	save(t, filepath.Join(folder, "ggml-random.bin"), tiny(t))
	model, err := FindModel(folder, "")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(binary, model, 2)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- server.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("not ready within a minute")
	}
	for asked, want := range map[string]string{"fr": "fr", "": ""} {
		heard, err := server.Transcribe(ctx, speech.PCM{Samples: make([]int16, 2*speech.Rate), Rate: speech.Rate}, asked)
		if err != nil {
			t.Fatal(err)
		}
		if heard.Text == "" || len(heard.Words) == 0 || (want != "" && heard.Language != want) || len(heard.Language) > 3 {
			t.Errorf("%q: got %+v", asked, heard)
		}
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("stopping: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the child didn't stop")
	}
}

func TestBrokenWeightsEndTheServerWithAReason(t *testing.T) {
	binary, folder := program(t), t.TempDir()
	file := tiny(t)
	copy(file[len(file)-60_000:], bytes.Repeat([]byte{0xff}, 40_000)) // sound header, plausible size
	save(t, filepath.Join(folder, "ggml-broken.bin"), file[:len(file)-100])
	model, err := FindModel(folder, "")
	if err != nil {
		t.Fatal(err)
	}
	err = NewServer(binary, model, 1).Run(context.Background(), func() { t.Error("it says it is ready") })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "ggml-broken.bin") {
		t.Errorf("got %v", err)
	}
	t.Log(err)
}

func TestMissingProgramIsSaid(t *testing.T) {
	err := NewServer(filepath.Join(t.TempDir(), "gone"), Model{}, 1).Run(context.Background(), func() {})
	if err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("got %v", err)
	}
}

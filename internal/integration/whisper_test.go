//go:build integration

package integration

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// TestIntegrationWhisperImageListensWithWhisper runs the shipped image with a tiny model of random weights in its
// volume: what it hears is nonsense, but Whisper must have heard it, and the answer must say so.
func TestIntegrationWhisperImageListensWithWhisper(t *testing.T) {
	shipped(t) // its image is built
	f := newFixture(t, "compose.yaml", `services:
  stt:
    image: 25eloquence/whisper-stt:latest
    read_only: true
    cap_drop: [ALL]
    environment: {STT_ENGINE: whisper, API_TOKEN_FILE: /run/secrets/api_token}
    secrets: [api_token]
    ports: ["127.0.0.1:18001:8001"]
    volumes: ["models:/models"]
    tmpfs: ["/tmp:noexec,nosuid,size=256m"]
    healthcheck: {test: [CMD, /usr/local/bin/whisper-stt, -health], interval: 5s, timeout: 3s, retries: 10}
volumes: {models: {}}
secrets: {api_token: {file: ./api_token}}
`, "api_token", strings.Repeat("0123456789abcdef", 2))
	model := filepath.Join(t.TempDir(), "ggml-random.bin")
	command := exec.Command("go", "run", "./whisper-stt/tinymodel", model)
	command.Dir = filepath.Join("..", "..", "services")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// Without a model STT_ENGINE=whisper stays unready; it takes one that arrives later.
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.start(ctx) }()
	f.copyInto(ctx, "stt", "/models", "ggml-random.bin", model)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	answer := transcribe(t, "http://127.0.0.1:18001/v1/audio/transcriptions", silence(2*time.Second))
	if answer["engine"] != "whisper" || answer["model"] != "ggml-random.bin" {
		t.Errorf("got %v", answer)
	}
}

// copyInto waits for the service's container and puts a file into one of its volumes.
func (f *fixture) copyInto(ctx context.Context, service, dir, name, path string) {
	f.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{
		Name: name, Mode: 0o644, Size: int64(len(content)), Uid: 10001, Gid: 10001,
	}); err != nil {
		f.t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		f.t.Fatal(err)
	}
	_ = w.Close()
	for ctx.Err() == nil {
		if c, ok := f.inspect()[service]; ok && c.Container.State.Running {
			_, err := f.engine.CopyToContainer(ctx, c.Container.ID,
				client.CopyToContainerOptions{DestinationPath: dir, Content: &archive})
			if err != nil {
				f.t.Fatal(err)
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.t.Fatalf("%s did not start", service)
}

// silence is a WAV of 16 kHz, mono, 16 bits.
func silence(d time.Duration) []byte {
	samples := make([]byte, 2*16000*int(d/time.Second))
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, v := range []any{
		uint32(36 + len(samples)), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(16000), uint32(32000),
		uint16(2), uint16(16), []byte("data"), uint32(len(samples)),
	} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.Write(samples)
	return b.Bytes()
}

func transcribe(t *testing.T, url string, wav []byte) map[string]any {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "silence.wav")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(wav)
	_ = form.WriteField("language", "en")
	_ = form.WriteField("response_format", "verbose_json")
	_ = form.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("Authorization", "Bearer "+strings.Repeat("0123456789abcdef", 2))
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s (%v)", resp.Status, text, err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

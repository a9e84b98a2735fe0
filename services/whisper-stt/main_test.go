package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/whisper-stt/pocketsphinx"
	"github.com/25eloquence/compose-mage/services/whisper-stt/whisper/ggmltest"
)

func TestThreadCount(t *testing.T) {
	for text, want := range map[string]int{"": runtime.GOMAXPROCS(0), "4": 4, "4,2": 4, " 3 ": 3, "0": 0, "-1": 0, "many": 0, "9999": 0} {
		got, err := threadCount(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
}

// settle runs the engines until one is ready, or until they give a reason that contains why.
func settle(t *testing.T, e *engines, why string) (engine string, details map[string]any, err error) {
	t.Helper()
	e.sphinx, e.threads, e.pause = pocketsphinx.ModelFolder, 1, 50*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v", err)
		}
	}()
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		details, err = e.check(ctx)
		if err == nil {
			return details["engine"].(string), details, nil
		}
		if why != "" && strings.Contains(err.Error(), why) {
			return "", details, err
		}
	}
	t.Fatalf("nothing settled within a minute: %v", err)
	return "", nil, nil
}

func weights(t *testing.T, damaged bool) (folder string) {
	t.Helper()
	var file bytes.Buffer
	if err := ggmltest.Write(&file, 1); err != nil {
		t.Fatal(err)
	}
	if damaged {
		file.Truncate(file.Len() - 20_000) // the check lets it pass; whisper.cpp misses whole tensors
	}
	folder = t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "ggml-random.bin"), file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestChoice(t *testing.T) {
	program := os.Getenv("WHISPER_SERVER")
	needsWhisper := func(t *testing.T) {
		if program == "" {
			t.Skip("set WHISPER_SERVER to whisper.cpp's server")
		}
	}
	if _, err := exec.LookPath("pocketsphinx_batch"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Run("auto without weights is PocketSphinx", func(t *testing.T) {
		engine, details, _ := settle(t, &engines{mode: "auto", folder: t.TempDir(), program: "gone"}, "")
		if engine != "pocketsphinx" || details["model"] != "en-us" || !strings.Contains(details["note"].(string), "no ggml-*.bin") {
			t.Errorf("got %v", details)
		}
	})
	t.Run("auto without the program is PocketSphinx", func(t *testing.T) {
		engine, details, _ := settle(t, &engines{mode: "auto", folder: weights(t, false), program: "gone"}, "")
		if engine != "pocketsphinx" || !strings.Contains(details["note"].(string), "gone") {
			t.Errorf("got %v", details)
		}
	})
	t.Run("auto with weights is Whisper", func(t *testing.T) {
		needsWhisper(t)
		engine, details, _ := settle(t, &engines{mode: "auto", folder: weights(t, false), program: program}, "")
		if engine != "whisper" || details["model"] != "ggml-random.bin" {
			t.Errorf("got %v", details)
		}
	})
	t.Run("auto with damaged weights is PocketSphinx", func(t *testing.T) {
		needsWhisper(t)
		engine, details, _ := settle(t, &engines{mode: "auto", folder: weights(t, true), program: program}, "")
		if engine != "pocketsphinx" || !strings.Contains(details["note"].(string), "exit status 3") {
			t.Errorf("got %v", details)
		}
	})
	t.Run("whisper with damaged weights says why", func(t *testing.T) {
		needsWhisper(t)
		_, _, err := settle(t, &engines{mode: "whisper", folder: weights(t, true), program: program}, "exit status 3")
		if err == nil || !strings.Contains(err.Error(), "ggml-random.bin") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("pocketsphinx ignores weights", func(t *testing.T) {
		if engine, details, _ := settle(t, &engines{mode: "pocketsphinx", folder: weights(t, false), program: program}, ""); engine != "pocketsphinx" {
			t.Errorf("got %v", details)
		}
	})
}

// A model that arrives later is taken without a restart, as after a download into the volume.
func TestWhisperWaitsForWeights(t *testing.T) {
	program := os.Getenv("WHISPER_SERVER")
	if program == "" {
		t.Skip("set WHISPER_SERVER to whisper.cpp's server")
	}
	folder, source := t.TempDir(), weights(t, false)
	go func() {
		time.Sleep(200 * time.Millisecond)
		if err := os.Rename(filepath.Join(source, "ggml-random.bin"), filepath.Join(folder, "ggml-late.bin")); err != nil {
			t.Error(err)
		}
	}()
	if engine, details, _ := settle(t, &engines{mode: "whisper", folder: folder, program: program}, ""); engine != "whisper" || details["model"] != "ggml-late.bin" {
		t.Errorf("got %v", details)
	}
}

// Command whisper-stt is the stack's transcription service: whisper.cpp where the model volume
// holds weights, PocketSphinx (English only) where not.
//
// Environment: STT_ENGINE (auto, whisper or pocketsphinx; auto), STT_MODEL (a file name in the
// model folder; the first ggml-*.bin), STT_MODEL_DIR (/models), OMP_NUM_THREADS (threads of
// whisper.cpp, children of PocketSphinx; the container's CPU limit), WHISPER_SERVER (whisper-server),
// POCKETSPHINX_DIR (Debian's), API_TOKEN_FILE (a secret file).
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/admission"
	"github.com/25eloquence/compose-mage/services/internal/serve"
	"github.com/25eloquence/compose-mage/services/whisper-stt/api"
	"github.com/25eloquence/compose-mage/services/whisper-stt/pocketsphinx"
)

func main() {
	serve.Main("whisper-stt", 8001, setup)
}

func setup(context.Context) (*serve.Service, error) {
	threads, err := threadCount(os.Getenv("OMP_NUM_THREADS"))
	if err != nil {
		return nil, err
	}
	e := &engines{
		mode:    cmp.Or(os.Getenv("STT_ENGINE"), "auto"),
		folder:  cmp.Or(os.Getenv("STT_MODEL_DIR"), "/models"),
		model:   os.Getenv("STT_MODEL"),
		program: cmp.Or(os.Getenv("WHISPER_SERVER"), "whisper-server"),
		sphinx:  cmp.Or(os.Getenv("POCKETSPHINX_DIR"), pocketsphinx.ModelFolder),
		threads: threads,
		pause:   time.Second,
		reason:  fmt.Errorf("starting"),
	}
	switch e.mode {
	case "auto", "whisper", "pocketsphinx":
	default:
		return nil, fmt.Errorf("reading STT_ENGINE: %q is not auto, whisper or pocketsphinx", e.mode)
	}
	token, err := serve.ReadToken()
	if err != nil {
		return nil, err
	}
	handler := api.Handler(e.current, token, admission.NewBudget(admission.Memory()))
	return &serve.Service{Handler: handler, Check: e.check, Run: e.run}, nil
}

// threadCount reads OMP_NUM_THREADS, which may be a list for nested levels ("4,2"). Unset, it is
// GOMAXPROCS, which follows the container's CPU quota (rounded up, at least 2).
func threadCount(text string) (int, error) {
	if text == "" {
		return runtime.GOMAXPROCS(0), nil
	}
	first, _, _ := strings.Cut(text, ",")
	threads, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || threads < 1 || threads > 1024 {
		return 0, fmt.Errorf("reading OMP_NUM_THREADS: %q is not a number of threads", text)
	}
	return threads, nil
}

// Command azure-tts is the stack's speech service. With a key it speaks through Azure Speech,
// without one through flite (English) and espeak-ng (French); answers are kept in /cache.
//
// Environment: AZURE_SPEECH_KEY_FILE (a secret file; empty means local voices),
// AZURE_SPEECH_REGION or AZURE_SPEECH_ENDPOINT, TTS_LOCAL_FALLBACK (true lets the local voices
// speak when Azure fails), TTS_CACHE_DIR (/cache), TTS_CACHE_BYTES (512 MiB), TTS_CONCURRENCY
// (twice the CPUs for local voices, 8 for Azure), API_TOKEN_FILE (a secret file).
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"

	"github.com/25eloquence/compose-mage/services/azure-tts/api"
	"github.com/25eloquence/compose-mage/services/azure-tts/cache"
	"github.com/25eloquence/compose-mage/services/azure-tts/synthesis"
	"github.com/25eloquence/compose-mage/services/internal/admission"
	"github.com/25eloquence/compose-mage/services/internal/serve"
)

func main() {
	serve.Main("azure-tts", 8002, setup)
}

func setup(ctx context.Context) (*serve.Service, error) {
	token, err := serve.ReadToken()
	if err != nil {
		return nil, err
	}
	key, err := serve.OptionalSecret("AZURE_SPEECH_KEY_FILE")
	if err != nil {
		return nil, err
	}
	allowed, err := setting("TTS_LOCAL_FALLBACK", false, strconv.ParseBool)
	if err != nil {
		return nil, err
	}
	engine, fallback, err := engines(ctx, key, allowed)
	if err != nil {
		return nil, err
	}
	concurrency, err := setting("TTS_CONCURRENCY", map[bool]int{true: 8, false: 2 * runtime.GOMAXPROCS(0)}[key != ""], strconv.Atoi)
	if err != nil {
		return nil, err
	}
	limit, err := setting("TTS_CACHE_BYTES", 512<<20, func(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) })
	if err != nil {
		return nil, err
	}
	kept := openCache(limit)
	mode := map[bool]string{true: "azure", false: "local"}[key != ""]
	slog.Info("speaking", "mode", mode, "voices", engine.Voices(), "local_fallback", fallback != nil, "concurrency", concurrency)
	return &serve.Service{
		Handler: api.New(engine, fallback, kept, max(1, concurrency)).Handler(token, admission.NewBudget(admission.Memory())),
		// Azure itself is not asked: a health check every ten seconds must not cost characters.
		Check: func(context.Context) (map[string]any, error) {
			return details(mode, engine, fallback != nil, kept), nil
		},
	}, nil
}

func engines(ctx context.Context, key string, fallbackAllowed bool) (engine, fallback synthesis.Engine, err error) {
	if key == "" {
		engine, err = heard(ctx)
		return engine, nil, err
	}
	address, err := synthesis.AzureAddress(os.Getenv("AZURE_SPEECH_REGION"), os.Getenv("AZURE_SPEECH_ENDPOINT"))
	if err != nil {
		return nil, nil, err
	}
	if fallbackAllowed {
		if fallback, err = heard(ctx); err != nil {
			return nil, nil, err
		}
	}
	return synthesis.NewAzure(address, key), fallback, nil
}

// heard returns the local voices after each has said a word (about 0.1 s): a service that can't
// speak must not report itself healthy.
func heard(ctx context.Context) (synthesis.Engine, error) {
	local, err := synthesis.NewLocal(ctx)
	if err != nil {
		return nil, err
	}
	for _, voice := range local.Voices() {
		if _, err := local.Speak(ctx, "ok", voice); err != nil {
			return nil, err
		}
	}
	return local, nil
}

// openCache never fails: without a cache the service is slower, not broken.
func openCache(limit int64) *cache.Cache {
	folder := os.Getenv("TTS_CACHE_DIR")
	if folder == "" {
		folder = "/cache"
	}
	kept, err := cache.Open(folder, limit)
	if err != nil {
		slog.Warn("answers are not kept", "error", err.Error())
		return nil
	}
	return kept
}

func details(mode string, engine synthesis.Engine, fallback bool, kept *cache.Cache) map[string]any {
	details := map[string]any{"mode": mode, "voices": engine.Voices(), "local_fallback": fallback, "cache": "off"}
	if kept != nil {
		count, size := kept.Stock()
		details["cache"] = map[string]any{"entries": count, "bytes": size}
	}
	return details
}

func setting[T any](name string, unset T, parse func(string) (T, error)) (T, error) {
	text := os.Getenv(name)
	if text == "" {
		return unset, nil
	}
	value, err := parse(text)
	if err != nil {
		return unset, fmt.Errorf("reading %s: %w", name, err)
	}
	return value, nil
}

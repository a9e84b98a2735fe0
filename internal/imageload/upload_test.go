package imageload

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestALoadSaysWhatTheEngineSaidOrThatItWentAway(t *testing.T) {
	for want, err := range map[fault.Code]error{
		fault.Engine:    fmt.Errorf("reading the engine's answer: %w", fault.EngineStream(io.ErrUnexpectedEOF)),
		fault.Resources: errors.New("Error processing tar file(exit status 1): write /x: no space left on device"),
		fault.Failed:    errors.New("connection refused"),
	} {
		var f *fault.Error
		if got := loadFault(err); !errors.As(got, &f) || f.Code != want || f.Next == "" {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestWhyAnUploadFailed(t *testing.T) {
	sending, loading := errors.New("reading a layer"), errors.New("no space left on device")
	for name, c := range map[string]struct {
		sending, loading error
		want             string // "" for no error
	}{
		"neither":            {nil, nil, ""},
		"the engine refuses": {nil, loading, "loading the image into the engine: no space left on device"},
		"and ends the sending": {
			io.ErrClosedPipe, loading,
			"loading the image into the engine: no space left on device",
		},
		"and says so": {
			fmt.Errorf("writing: %w", loading), loading,
			"loading the image into the engine: no space left on device",
		},
		"the sending fails":     {sending, nil, "reading a layer"},
		"both, each by itself":  {sending, loading, "reading a layer"},
		"the sending, unspoken": {io.ErrClosedPipe, nil, "io: read/write on closed pipe"},
	} {
		got := ""
		if err := uploadError(c.sending, c.loading); err != nil {
			got, _, _ = strings.Cut(err.Error(), "\n")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

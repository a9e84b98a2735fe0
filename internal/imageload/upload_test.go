package imageload

import (
	"errors"
	"fmt"
	"io"
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

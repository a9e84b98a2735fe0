package lifecycle

import (
	"errors"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestCauseTellsTheRuntimesAnswerFromAnEngineThatIsGone(t *testing.T) {
	const runtime = "Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: " +
		"unable to start container process: procResume: write init-p: broken pipe: unknown"
	for words, want := range map[string]struct {
		code fault.Code
		text string
	}{
		runtime: {fault.Failed, `starting "db": ` + runtime + "\n  next: go tool mage start"},
		"write unix @->/var/run/docker.sock: write: broken pipe": {
			fault.Engine, `starting "db": the engine went away: write unix @->/var/run/docker.sock: write: broken pipe` + "\n  next: go tool mage start",
		},
		"Error response from daemon: OCI runtime create failed: exec: \"serve\": executable file not found in $PATH": {
			fault.Config, `starting "db": Error response from daemon: OCI runtime create failed: exec: "serve": executable file not found in $PATH` + "\n  next: go tool mage build db",
		},
	} {
		got := (&starter{}).cause(t.Context(), "db", errors.New(words))
		if got.Code != want.code || got.Error() != want.text {
			t.Errorf("%q: got code %v, %q", words, got.Code, got)
		}
	}
}

package lifecycle

import (
	"errors"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

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
		project := &types.Project{Services: types.Services{"db": built()}}
		got := (&starter{project: project}).cause(t.Context(), "db", errors.New(words))
		if got.Code != want.code || got.Error() != want.text {
			t.Errorf("%q: got code %v, %q", words, got.Code, got)
		}
	}
}

// A build is advised only for a service that is built, and logs only of a container that was made.
func TestCauseAdvisesWhatHelps(t *testing.T) {
	project := &types.Project{Services: types.Services{"built": built(), "pulled": {}}}
	const words = "exec: \"serve\": executable file not found in $PATH"
	for name, c := range map[string]struct {
		service string
		err     error
		next    string
	}{
		"built":      {"built", errors.New(words), "go tool mage build built"},
		"not built":  {"pulled", errors.New(words), "correct image, command and entrypoint of pulled, then go tool mage start"},
		"never made": {"pulled", &createError{errors.New("invalid mount path")}, "go tool mage check pulled"},
		"made":       {"pulled", errors.New("something"), "go tool mage logs pulled"},
	} {
		if got := (&starter{project: project}).cause(t.Context(), c.service, c.err); got.Next != c.next {
			t.Errorf("%s: next %q, want %q", name, got.Next, c.next)
		}
	}
}

func built() types.ServiceConfig {
	var s types.ServiceConfig
	s.Build = &types.BuildConfig{}
	return s
}

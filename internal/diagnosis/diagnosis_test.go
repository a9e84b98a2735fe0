package diagnosis

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestCauseTellsTheRuntimesAnswerFromAnEngineThatIsGone(t *testing.T) {
	const runtime = "Error response from daemon: failed to create shim task: OCI runtime create failed: runc create " +
		"failed: " +
		"unable to start container process: procResume: write init-p: broken pipe: unknown"
	lost := &net.OpError{Op: "write", Net: "unix", Err: syscall.EPIPE}
	for _, c := range []struct {
		err  error
		code fault.Code
		text string
	}{
		{errors.New(runtime), fault.Failed, `starting "db": ` + runtime + "\n  next: go tool mage start"},
		{
			fmt.Errorf("inspecting: %w", lost), fault.Engine,
			`starting "db": the engine went away: inspecting: write unix: broken pipe` + "\n  next: " + fault.Again,
		},
		{
			&CreateError{lost}, fault.Engine,
			`starting "db": the engine went away: creating the container: write unix: broken pipe` + "\n  next: " +
				fault.Again,
		},
		{
			&CreateError{errors.New("mkdir /x: no space left on device: unknown")}, fault.Resources,
			`starting "db": creating the container: ` +
				"mkdir /x: no space left on device: unknown\n  next: go tool mage cleanup",
		},
		{
			&PullError{"redis", "write /x: disk quota exceeded"}, fault.Resources,
			`starting "db": pulling redis: write /x: disk quota exceeded` +
				"\n  next: go tool mage cleanup",
		},
		// A name is none of the engine's words.
		{
			errors.New(`exec: "no space left on device": executable file not found in $PATH: unknown`), fault.Config,
			`starting "db": ` +
				`exec: "no space left on device": executable file not found in $PATH: unknown` +
				"\n  next: correct command and entrypoint of db, or its Dockerfile; then go tool mage build start",
		},
		// A program's own words are none of the engine's.
		{
			errors.New("connection refused"), fault.Failed, `starting "db": connection refused` +
				"\n  next: go tool mage logs db",
		},
	} {
		project := &types.Project{Services: types.Services{"db": built()}}
		got := Start(t.Context(), nil, project, "db", c.err)
		if got.Code != c.code || got.Error() != c.text {
			t.Errorf("%q: got code %v, %q", c.err, got.Code, got)
		}
	}
}

// A build is advised only where it helps: of a service that is built, and with what is to be corrected first; logs
// only of a container that was made.
func TestCauseAdvisesWhatHelps(t *testing.T) {
	other, shares, pulled := built(), types.ServiceConfig{Name: "shares"}, types.ServiceConfig{Name: "pulled"}
	other.Name, other.Image, shares.Image, pulled.Image = "other", "shop/shared:1", "shop/shared:1", "redis:8"
	project := &types.Project{Name: "shop", Services: types.Services{
		"built": built(), "pulled": pulled, "other": other, "shares": shares,
	}}
	const words, lacks = "exec: \"serve\": executable file not found in $PATH", "No such image: x"
	for name, c := range map[string]struct {
		service string
		err     error
		next    string
	}{
		"built": {
			"built", errors.New(words),
			"correct command and entrypoint of built, or its Dockerfile; then go tool mage build start",
		},
		"no image, built":          {"built", errors.New(lacks), "go tool mage build built, then go tool mage start"},
		"no image, built by other": {"shares", errors.New(lacks), "go tool mage build other, then go tool mage start"},
		"no image, pulled": {
			"pulled", errors.New(lacks), "docker pull redis:8, or correct image of pulled; then go tool mage start",
		},
		"not built": {
			"pulled", errors.New(words), "correct image, command and entrypoint of pulled, then go tool mage start",
		},
		"never made": {
			"pulled", &CreateError{errors.New("invalid mount path")}, "go tool mage check pulled",
		},
		"made": {"pulled", errors.New("something"), "go tool mage logs pulled"},
	} {
		if got := Start(t.Context(), nil, project, c.service, c.err); got.Next != c.next {
			t.Errorf("%s: next %q, want %q", name, got.Next, c.next)
		}
	}
}

func built() types.ServiceConfig {
	var s types.ServiceConfig
	s.Name = "built"
	s.Build = &types.BuildConfig{}
	return s
}

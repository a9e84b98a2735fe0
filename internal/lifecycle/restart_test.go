package lifecycle

import (
	"bytes"
	"errors"
	"testing"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/plan"
)

// TestRestartOfNoName: an empty name is none of the services, and is not all of them.
func TestRestartOfNoName(t *testing.T) {
	for _, name := range []string{"", "cahce"} {
		_, err := restartable(
			composetest.Load(t, "services: {web: {image: x}, cache: {image: x}}"),
			[]string{"web", name},
		)
		if typed := (*fault.Error)(nil); !errors.As(err, &typed) || typed.Code != fault.Usage {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestRestartOfAnInactiveProfile(t *testing.T) {
	project, err := restartable(
		composetest.Load(t, "services: {app: {image: x}, dbg: {image: x, profiles: [debug]}}"),
		[]string{"dbg"},
	)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	plan.Restart(project, 1, plan.Observed{}, plan.Choice{Services: []string{"dbg"}}).Print(&got)
	if want := "stage 0: restart dbg: it is named\nleft alone: app; -all restarts them too\n"; got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
}

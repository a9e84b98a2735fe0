//go:build integration

package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// opening gives the options of a project of one service, which answers to nothing and says hello, and removes what is
// left of it when the test ends.
func opening(t *testing.T) (Options, *bytes.Buffer) {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	name, file := fmt.Sprintf("door-%d", time.Now().UnixNano()), filepath.Join(t.TempDir(), "compose.yaml")
	text := "name: " + name + "\nservices:\n  hello:\n    image: " + enginetest.Base(t) + "\n    init: true\n" +
		"    stop_grace_period: 1s\n    command: [sh, -c, 'echo hello; exec sleep infinity']\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &bytes.Buffer{}
	o := Options{Files: []string{file}, Output: out, Errors: out}
	t.Cleanup(func() {
		s, err := Open(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		_, _ = s.engine.ContainerRemove(ctx, name+"-hello-1", client.ContainerRemoveOptions{Force: true})
		_, _ = s.engine.NetworkRemove(ctx, name+"_default", client.NetworkRemoveOptions{})
	})
	return o, out
}

func kinds(report RunReport) string {
	var all []string
	for _, o := range report.Operations {
		if !o.Ended.IsZero() {
			all = append(all, o.Kind)
		}
	}
	return strings.Join(all, " ")
}

// A program gets as values what a person gets as text, and all that is printed goes where the options say.
func TestIntegrationStackAsALibrary(t *testing.T) {
	o, out := opening(t)
	ctx := t.Context()
	s, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.PlanStart(ctx, StartOptions{})
	if err != nil || len(plan.Steps) != 1 || plan.Steps[0].Action != "create" || out.Len() > 0 {
		t.Errorf("planned %+v (%v), and said:\n%s", plan, err, out)
	}
	plan.Print(out)
	if !strings.Contains(out.String(), "create hello") {
		t.Errorf("the plan prints:\n%s", out)
	}
	started, err := s.Start(ctx, StartOptions{})
	if err != nil || kinds(started) != "create start wait" || len(started.Critical) != 1 || started.Seconds <= 0 {
		t.Errorf("started %+v (%v)", started, err)
	}
	report, err := s.Status(ctx, StatusOptions{})
	if err != nil || !report.Fine || report.Err() != nil || len(report.Services) != 1 {
		t.Errorf("status %+v (%v), %v", report, err, report.Err())
	}
	restarted, err := s.Restart(ctx, RestartOptions{Services: []string{"hello"}})
	if err != nil || !strings.HasSuffix(kinds(restarted), "start wait") {
		t.Errorf("restarted %+v (%v)", restarted, err)
	}
	if err := s.Logs(ctx, LogsOptions{}); err != nil || !strings.Contains(out.String(), "hello") {
		t.Errorf("logs: %v\n%s", err, out)
	}
	if err := Stop(WithOptions(ctx, o)); err != nil {
		t.Error(err)
	}
	report, err = s.Status(ctx, StatusOptions{})
	var coded interface{ ExitStatus() int }
	if err != nil || report.Fine || !errors.As(report.Err(), &coded) || coded.ExitStatus() != 1 {
		t.Errorf("status of what is stopped: %+v (%v), %v", report, err, report.Err())
	}
}

// What a cleanup is about does not follow from the services that a context names: it would take the others for orphans.
func TestIntegrationCleanupIsAboutTheWholeProject(t *testing.T) {
	o, _ := opening(t)
	if err := Start(WithOptions(t.Context(), o)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Files: o.Files, Services: []string{"nosuch"}, Output: o.Output})
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("enough was seen")
	report, err := s.Cleanup(t.Context(), CleanupOptions{Before: func(CleanupReport) error { return refused }})
	if len(report.Remove) > 0 || !errors.Is(err, refused) {
		t.Errorf("would remove %+v (%v)", report.Remove, err)
	}
}

//go:build integration && linux

package integration

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// workflow is what these tests read of a GitHub Actions workflow.
type workflow struct {
	Env  map[string]string
	Jobs map[string]struct {
		If          string
		Needs       []string
		Permissions map[string]string
		Env         map[string]string
		Steps       []workflowStep
		Timeout     int `yaml:"timeout-minutes"`
	}
}

type workflowStep struct {
	Name, Uses, Run, If string
	With                map[string]string
	Env                 map[string]string
}

func readWorkflow(t *testing.T, path string) workflow {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(data, &w); err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	if len(w.Jobs) == 0 {
		t.Fatalf("%s has no jobs", path)
	}
	return w
}

// runner plays GitHub's: it runs a job's steps on this machine in one situation.
type runner struct {
	t        *testing.T
	dir      string            // the working directory, a clean checkout
	contexts map[string]string // what expressions can look up: github.event_name and so on
	env      map[string]string // what the runner's machine sets
	instead  *strings.Replacer // what stands in for places that can't be reached: GHCR
	ran      []string          // the run lines, as they were run
	out      bytes.Buffer      // of the last step
}

// present are the actions whose effect this machine has already: the checkout, Go, and no emulator (a builder that
// lacks a platform leaves it out).
var present = []string{"actions/checkout@", "actions/setup-go@", "docker/setup-qemu-action@"}

// job runs the job's steps up to and including the first whose run line begins with until, and gives the standard
// output of that one; "" and false where the job is not for this situation.
func (r *runner) job(w workflow, name, until string) (string, bool) {
	r.t.Helper()
	job, ok := w.Jobs[name]
	if !ok {
		r.t.Fatalf("the workflow has no job %q", name)
	}
	env := maps.Clone(r.env)
	for _, level := range []map[string]string{w.Env, job.Env} {
		for k, v := range level {
			env[k] = r.fill(v, env)
		}
	}
	if job.If != "" && r.evaluate(job.If, env) != "true" {
		return "", false
	}
	file := filepath.Join(r.t.TempDir(), "github-env")
	for _, step := range job.Steps {
		if step.If != "" && r.evaluate(step.If, env) != "true" {
			continue
		}
		if step.Uses != "" {
			r.known(step.Uses)
			continue
		}
		own := maps.Clone(env)
		for k, v := range step.Env {
			own[k] = r.fill(v, env)
		}
		own["GITHUB_ENV"] = file
		out := r.run(r.fill(step.Run, env), own)
		r.readEnv(file, env)
		if strings.HasPrefix(step.Run, until) {
			return out, true
		}
	}
	r.t.Fatalf("job %q has no step %q", name, until)
	return "", false
}

func (r *runner) known(action string) {
	r.t.Helper()
	for _, prefix := range present {
		if strings.HasPrefix(action, prefix) {
			return
		}
	}
	r.t.Fatalf("the action %q is new: does this machine have what it does?", action)
}

// run runs a script as GitHub runs one whose shell is bash, and gives its standard output.
func (r *runner) run(script string, env map[string]string) string {
	r.t.Helper()
	script = r.instead.Replace(script)
	r.ran = append(r.ran, script)
	command := exec.CommandContext(r.t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	command.Dir = r.dir
	for k, v := range env {
		command.Env = append(command.Env, k+"="+r.instead.Replace(v))
	}
	r.out.Reset()
	var stdout bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &r.out
	if err := command.Run(); err != nil {
		r.t.Fatalf("%s: %v\n%s\n%s", script, err, stdout.String(), r.out.String())
	}
	return stdout.String()
}

// readEnv adds what steps wrote to $GITHUB_ENV, NAME=value lines.
func (r *runner) readEnv(file string, env map[string]string) {
	r.t.Helper()
	data, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\n"), "=")
		if !ok {
			r.t.Fatalf("GITHUB_ENV: %q is not NAME=value", line)
		}
		env[name] = value
	}
}

var expression = regexp.MustCompile(`\$\{\{\s*(.*?)\s*\}\}`)

// fill replaces the expressions in text by their values.
func (r *runner) fill(text string, env map[string]string) string {
	return expression.ReplaceAllStringFunc(text, func(match string) string {
		return r.evaluate(expression.FindStringSubmatch(match)[1], env)
	})
}

// evaluate knows as much of GitHub's expressions as the workflow uses: ||, &&, ==, !=, contexts and 'literals'.
func (r *runner) evaluate(text string, env map[string]string) string {
	text = strings.TrimSpace(expression.ReplaceAllString(text, "$1"))
	for _, operator := range []string{"||", "&&"} {
		if left, right, ok := strings.Cut(text, operator); ok {
			value := r.evaluate(left, env)
			if truth := value != "" && value != "false"; truth == (operator == "||") {
				return value
			}
			return r.evaluate(right, env)
		}
	}
	for _, operator := range []string{"==", "!="} {
		if left, right, ok := strings.Cut(text, operator); ok {
			return fmt.Sprint((r.evaluate(left, env) == r.evaluate(right, env)) == (operator == "=="))
		}
	}
	if literal, ok := strings.CutPrefix(text, "'"); ok && strings.HasSuffix(literal, "'") {
		return strings.TrimSuffix(literal, "'")
	}
	if name, ok := strings.CutPrefix(text, "env."); ok {
		return env[name]
	}
	value, ok := r.contexts[text]
	if !ok {
		r.t.Fatalf("the expression %q is new: say in the test what it is", text)
	}
	return value
}

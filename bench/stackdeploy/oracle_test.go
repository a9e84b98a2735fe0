package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/compose/convert"
	"github.com/docker/cli/cli/compose/loader"
	composetypes "github.com/docker/cli/cli/compose/types"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// differences are the paths in a service's specification on which we and docker stack deploy differ, with why. A path
// stands for all below it.
var differences = map[string]string{
	"UpdateConfig": "docker stack leaves it to the engine, which watches a new task for 5 s, less than most health " +
		"checks take to fail, and stops half way after a failure: ours goes back, and watches as long as the check " +
		"may take",
	"RollbackConfig":                         "in the update's order, so that going back drops nothing either",
	"TaskTemplate.RestartPolicy":             "the engine's default, said",
	"Mode.Replicated.Replicas":               "the engine's default, said",
	"EndpointSpec.Ports":                     "the engine's defaults of mode and protocol, said",
	"TaskTemplate.Networks":                  "docker stack ignores network_mode, which a Swarm has for host and none",
	"TaskTemplate.ContainerSpec.OomScoreAdj": "docker stack's schema has the key, and its loader drops it",
	"TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges": "docker stack ignores security_opt; engines have it " +
		"from API 1.44 on",
	"TaskTemplate.ContainerSpec.Mounts": "docker stack ignores tmpfs, shm_size, a bind's recursion, a tmpfs's mode, " +
		"and " +
		"the options of a volume without a name",
}

// TestAsDockerStack compares what we make of each shape with what docker's own converter makes: the same, or a
// difference that the table has a reason for.
func TestAsDockerStack(t *testing.T) {
	compared, refused, used := 0, 0, map[string]bool{}
	carried := shapes(t)
	for _, key := range slices.Sorted(maps.Keys(carried)) {
		text := carried[key]
		theirs, err := byDocker(t, text)
		if err != nil {
			refused++
			continue
		}
		compared++
		project := composetest.Load(t, "name: p\n"+text)
		stack, err := swarmspec.Convert(project, withContents(project))
		if err != nil {
			t.Fatal(err)
		}
		ours := map[string]swarm.ServiceSpec{}
		for name, spec := range stack.Services {
			ours[name] = withoutHashes(spec)
		}
		for _, path := range differing(t, ours["a"], theirs["a"]) {
			reason := ""
			for prefix := range differences {
				if strings.HasPrefix(path, prefix+".") || strings.HasPrefix(path, prefix+" ") {
					reason, used[prefix] = differences[prefix], true
				}
			}
			if reason == "" {
				t.Errorf("%s: %s differs", key, path)
			}
		}
	}
	t.Logf("%d shapes compared, %d that docker's loader refuses", compared, refused)
	if compared < 60 {
		t.Errorf("only %d shapes could be compared", compared)
	}
	for prefix := range differences {
		if !used[prefix] {
			t.Errorf("%s does not differ any more", prefix)
		}
	}
}

// contents answers with each secret and config that is asked for.
type contents struct{ client.APIClient }

func (contents) SecretList(_ context.Context, o client.SecretListOptions) (client.SecretListResult, error) {
	var out client.SecretListResult
	for name := range o.Filters["name"] {
		out.Items = append(out.Items, swarm.Secret{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}}})
	}
	return out, nil
}

func (contents) ConfigList(_ context.Context, o client.ConfigListOptions) (client.ConfigListResult, error) {
	var out client.ConfigListResult
	for name := range o.Filters["name"] {
		out.Items = append(out.Items, swarm.Config{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name}}})
	}
	return out, nil
}

// byDocker is what docker stack deploy would send for the file.
func byDocker(t *testing.T, text string) (out map[string]swarm.ServiceSpec, err error) {
	t.Helper()
	parsed, err := loader.ParseYAML([]byte(text))
	if err != nil {
		return nil, err
	}
	config, err := loader.Load(composetypes.ConfigDetails{
		WorkingDir:  t.TempDir(),
		ConfigFiles: []composetypes.ConfigFile{{Filename: "compose.yaml", Config: parsed}},
	})
	if err != nil {
		return nil, err
	}
	return convert.Services(context.Background(), convert.NewNamespace("p"), config, contents{})
}

// withoutHashes takes the hashes off the names of secrets and configs, which are ours alone.
func withoutHashes(spec swarm.ServiceSpec) swarm.ServiceSpec {
	plain := func(name string) string {
		if i := strings.LastIndex(name, "-"); i > 0 {
			return name[:i]
		}
		return name
	}
	for _, r := range spec.TaskTemplate.ContainerSpec.Secrets {
		r.SecretName = plain(r.SecretName)
	}
	for _, r := range spec.TaskTemplate.ContainerSpec.Configs {
		r.ConfigName = plain(r.ConfigName)
	}
	return spec
}

// differing are the paths of the values that are not the same in both. What is not said and what is said to be empty
// are the same.
func differing(t *testing.T, a, b swarm.ServiceSpec) []string {
	t.Helper()
	of := func(spec swarm.ServiceSpec) map[string]string {
		text, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal(text, &tree); err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		flatten("", tree, out)
		return out
	}
	ours, theirs := of(a), of(b)
	all := maps.Clone(ours)
	maps.Copy(all, theirs)
	var out []string
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if ours[path] != theirs[path] {
			out = append(out, fmt.Sprintf("%s (ours %q, docker's %q)", path, ours[path], theirs[path]))
		}
	}
	return out
}

func flatten(path string, tree any, out map[string]string) {
	switch tree := tree.(type) {
	case map[string]any:
		for key, below := range tree {
			flatten(strings.TrimPrefix(path+"."+key, "."), below, out)
		}
	case []any:
		for i, below := range tree {
			flatten(fmt.Sprintf("%s.%d", path, i), below, out)
		}
	case nil:
	default:
		if text := fmt.Sprint(tree); text != "" && text != "0" && text != "false" {
			out[path] = text
		}
	}
}

// shapes are the Compose files of internal/swarmspec's own test.
func shapes(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../internal/swarmspec/testdata/carried.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, shape, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		parts := append(strings.Split(shape, "|"), "", "")
		image := "image: x, "
		if strings.Contains(parts[0], "image: y") && !strings.Contains(parts[0], "type: image") {
			image = ""
		}
		out[key] = "services:\n  a: {" + image + parts[0] + "}\n" + parts[1] + "\n" + parts[2] + "\n"
	}
	return out
}

func withContents(project *types.Project) swarmspec.Options {
	o := swarmspec.Options{GPU: "GPU", Secrets: map[string][]byte{}, Configs: map[string][]byte{}}
	for key := range project.Secrets {
		o.Secrets[key] = []byte(key)
	}
	for key := range project.Configs {
		o.Configs[key] = []byte(key)
	}
	return o
}

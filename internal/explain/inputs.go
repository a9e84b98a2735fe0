package explain

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// mostDockerfile is the largest Dockerfile that is read, in bytes.
const mostDockerfile = 8 << 20

// Image is an image of a Compose project, as a build plan has it.
type Image struct {
	Project, Service string
	Context          string // absolute directory, or a Git or HTTP address
	Dockerfile       string // absolute path; "" where it is inside a remote context or inline
	Inline           string // dockerfile_inline
	Platform         string
	Build            types.BuildConfig
}

// Inputs reads what the image would be built from now, but for the files of its contexts. The Dockerfile of a remote context
// is not known here, and with it nothing that could be explained: Text is then empty.
func (i Image) Inputs() (Inputs, error) {
	in := Inputs{
		Project: i.Project, Service: i.Service, Dockerfile: filepath.Base(i.Dockerfile), Text: i.Inline, Target: i.Build.Target,
		Platform: i.Platform, NoCache: i.Build.NoCache, Args: map[string]string{}, Options: map[string]string{}, Contexts: map[string]Tree{},
	}
	if i.Inline == "" && i.Dockerfile != "" {
		text, err := regular.Read(i.Dockerfile, mostDockerfile)
		if err != nil {
			return in, fmt.Errorf("reading the Dockerfile: %w", err)
		}
		in.Text = string(text)
	}
	for name, value := range i.Build.Args {
		if value != nil {
			in.Args[name] = *value
		}
	}
	for _, s := range i.Build.Secrets {
		in.Secrets = append(in.Secrets, s.Source)
	}
	if i.Build.Network != "" {
		in.Options["network"] = i.Build.Network
	}
	if hosts := i.Build.ExtraHosts.AsList("="); len(hosts) > 0 {
		slices.Sort(hosts)
		in.Options["extra_hosts"] = strings.Join(hosts, ",")
	}
	if i.Build.ShmSize > 0 {
		in.Options["shm_size"] = fmt.Sprint(int64(i.Build.ShmSize))
	}
	if len(i.Build.Ulimits) > 0 {
		limits, err := json.Marshal(i.Build.Ulimits) // by name
		if err != nil {
			return in, err
		}
		in.Options["ulimits"] = string(limits)
	}
	var err error
	if in.Context, err = localTree(i.Context, i.Dockerfile); err != nil {
		return in, err
	}
	for name, source := range i.Build.AdditionalContexts {
		if in.Contexts[name], err = localTree(source, ""); err != nil {
			return in, fmt.Errorf("additional context %q: %w", name, err)
		}
	}
	return in, nil
}

// localTree reads which files of a context count; of one that is not on this machine only the address is known.
func localTree(source, dockerfile string) (Tree, error) {
	if !filepath.IsAbs(source) {
		return Tree{Address: source}, nil
	}
	patterns, file, err := buildcontext.Ignore(source, dockerfile)
	return Tree{Dir: source, Patterns: patterns, IgnoreFile: file}, err
}

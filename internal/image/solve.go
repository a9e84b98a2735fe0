package image

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// Environment is what a build takes from the machine it is started on.
type Environment struct {
	Lookup   func(string) (string, bool) // variables, as os.LookupEnv
	CABundle string                      // path of the CA bundle offered to build steps as the secret "ca"; "" for none
	Secrets  types.Secrets               // the project's top-level secrets
	Policy   *spb.Policy                 // pins the bases that are locked; nil for none
}

// solveOpt translates a target into what BuildKit's Dockerfile frontend takes. Exports and cache are the caller's.
// It also gives the local contexts by name.
func (t Target) solveOpt(ctx context.Context, project string, env Environment, c *contexts) (request, map[string]*localContext, error) {
	local := map[string]*localContext{}
	opt := request{needs: map[string]request{}, SolveOpt: client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: t.attributes(project, env),
		FrontendInputs: map[string]llb.State{}, LocalMounts: map[string]fsutil.FS{},
		// By this key the builder finds what it has of the directories from the last run: only changed files are sent. Each
		// image has its own: two solves can't use one at a time, and one that copies other files would throw these away.
		SharedKey: machineID() + ":" + project + "/" + t.Service,
	}}
	if err := t.sources(ctx, &opt.SolveOpt, c, local); err != nil {
		return opt, nil, err
	}
	for name, other := range t.Needs {
		need, more, err := other.solveOpt(ctx, project, env, c)
		if err != nil {
			return opt, nil, fmt.Errorf("additional context %q: %w", name, err)
		}
		need.FrontendAttrs = withoutNoCache(need.FrontendAttrs) // its steps have just run
		opt.needs[name] = need
		opt.AllowedEntitlements = append(opt.AllowedEntitlements, need.AllowedEntitlements...)
		for key, lc := range more {
			local[name+"/"+key] = lc
		}
	}
	attachables, err := t.attachables(env)
	if err != nil {
		return opt, nil, err
	}
	opt.Session = attachables
	opt.SourcePolicy = env.Policy
	opt.AllowedEntitlements = append(opt.AllowedEntitlements, t.Build.Entitlements...)
	if t.Build.Network == "host" {
		opt.AllowedEntitlements = append(opt.AllowedEntitlements, "network.host")
	}
	return opt, local, nil
}

// attributes are the frontend's options, named as in BuildKit's frontend/dockerui.
func (t Target) attributes(project string, env Environment) map[string]string {
	attrs := map[string]string{"filename": filepath.Base(t.Dockerfile)}
	if t.Dockerfile == "" {
		attrs["filename"] = "Dockerfile"
	}
	for k, v := range t.buildArgs(env.Lookup) {
		attrs["build-arg:"+k] = v
	}
	for k, v := range t.labels(project) {
		attrs["label:"+k] = v
	}
	set := func(key, value string) {
		if value != "" {
			attrs[key] = value
		}
	}
	set("target", t.Build.Target)
	set("platform", t.Platform)
	if n := t.Build.Network; n == "host" || n == "none" {
		attrs["force-network-mode"] = n
	}
	if t.Build.NoCache {
		attrs["no-cache"] = ""
	}
	if t.Build.Pull {
		attrs["image-resolve-mode"] = "pull"
	}
	var hosts []string
	for host, addresses := range t.Build.ExtraHosts {
		for _, a := range addresses {
			hosts = append(hosts, host+"="+a)
		}
	}
	set("add-hosts", strings.Join(hosts, ","))
	if remote(t.Context) {
		attrs["context"] = t.Context
		set("filename", t.Build.Dockerfile)
	}
	return attrs
}

// sources offers what the build may read: its contexts, and the Dockerfile as a value, so that an unchanged one is not sent.
func (t Target) sources(ctx context.Context, opt *client.SolveOpt, c *contexts, read map[string]*localContext) error {
	for name, source := range t.Build.AdditionalContexts {
		if _, ok := t.Needs[name]; ok {
			continue
		}
		if remote(source) {
			opt.FrontendAttrs["context:"+name] = source
			continue
		}
		if strings.HasPrefix(source, "oci-layout:") {
			return fmt.Errorf("additional context %q: %q is not supported; name a directory, a service (service:…), an image (docker-image://…) or a Git address", name, source)
		}
		local := "named-" + name // "context" is taken
		lc, err := c.get(ctx, source, "")
		if err == nil {
			opt.LocalMounts[local], err = fsutil.NewFS(source) // the frontend applies the ignore file
		}
		if err != nil {
			return fmt.Errorf("additional context %q: %w", name, err)
		}
		read[local] = lc
		opt.FrontendAttrs["context:"+name] = "local:" + local
	}
	if remote(t.Context) {
		if t.Inline != "" {
			inline := staticfs.NewFS()
			inline.Add("Dockerfile", &fstypes.Stat{Mode: 0o644, Size: int64(len(t.Inline))}, []byte(t.Inline))
			opt.LocalMounts["dockerfile"] = inline
			opt.FrontendAttrs["dockerfilekey"] = "dockerfile"
		}
		return nil
	}
	lc, err := c.get(ctx, t.Context, t.Dockerfile)
	if err == nil {
		opt.LocalMounts["context"], err = fsutil.NewFS(t.Context)
	}
	if err != nil {
		return err
	}
	read["context"] = lc
	definition, err := t.definition(opt.FrontendAttrs["filename"], lc.ignoreFile)
	if err != nil {
		return err
	}
	opt.FrontendInputs["dockerfile"] = definition
	return nil
}

// definition is the Dockerfile under the name that errors will show, and the ignore file as the Dockerfile's own, whichever it is and
// even where there is none: else the frontend would look for one in the context, with a transfer of its own in every solve.
func (t Target) definition(name, ignoreFile string) (llb.State, error) {
	text, ignore := []byte(t.Inline), []byte(nil)
	var err error
	if t.Inline == "" {
		if text, err = os.ReadFile(t.Dockerfile); err != nil {
			return llb.State{}, fmt.Errorf("reading the Dockerfile: %w", err)
		}
	}
	if ignoreFile != "" {
		if ignore, err = os.ReadFile(ignoreFile); err != nil {
			return llb.State{}, fmt.Errorf("reading the ignore file: %w", err)
		}
	}
	ignore = append(ignore, '\n') // it takes an empty one for none
	files := llb.Mkfile(name, 0o644, text).Mkfile(name+".dockerignore", 0o644, ignore)
	return llb.Scratch().File(files, llb.WithCustomName("[internal] load build definition from "+name)), nil
}

// attachables are what the builder may ask back for: registry credentials from the Docker configuration and its
// helpers, secrets, and the SSH agent where the target wants it.
func (t Target) attachables(env Environment) ([]session.Attachable, error) {
	auth := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(os.Stderr)),
	})
	secrets, err := t.secrets(env)
	if err != nil {
		return nil, err
	}
	out := []session.Attachable{auth, secretsprovider.FromMap(secrets)}
	if keys := t.ssh(); len(keys) > 0 {
		var agents []sshprovider.AgentConfig
		for _, key := range keys {
			agent := sshprovider.AgentConfig{ID: key.ID}
			if key.Path != "" {
				agent.Paths = []string{key.Path}
			}
			agents = append(agents, agent)
		}
		ssh, err := sshprovider.NewSSHAgentProvider(agents)
		if err != nil {
			return nil, fmt.Errorf("offering the SSH agent: %w", err)
		}
		out = append(out, ssh)
	}
	return out, nil
}

// ssh lists the SSH agents and keys of the target and of what it needs.
func (t Target) ssh() []types.SSHKey {
	keys := slices.Clone(t.Build.SSH)
	for _, need := range t.Needs {
		for _, key := range need.ssh() {
			if !slices.ContainsFunc(keys, func(k types.SSHKey) bool { return k.ID == key.ID }) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// secrets reads the build secrets of the target and of what it needs; the CA bundle is always on offer, as the secret "ca".
func (t Target) secrets(env Environment) (map[string][]byte, error) {
	secrets := map[string][]byte{}
	if env.CABundle != "" {
		ca, err := os.ReadFile(env.CABundle)
		if err != nil {
			return nil, fmt.Errorf("reading the CA bundle: %w", err)
		}
		secrets["ca"] = ca
	}
	for _, use := range t.Build.Secrets {
		source := env.Secrets[use.Source]
		id := use.Target
		if id == "" {
			id = use.Source
		}
		switch {
		case source.File != "":
			content, err := os.ReadFile(source.File)
			if err != nil {
				return nil, fmt.Errorf("reading build secret %q: %w", use.Source, err)
			}
			secrets[id] = content
		case source.Environment != "":
			v, ok := env.Lookup(source.Environment)
			if !ok {
				return nil, fmt.Errorf("build secret %q: variable %s is not set", use.Source, source.Environment)
			}
			secrets[id] = []byte(v)
		case source.Content != "":
			secrets[id] = []byte(source.Content)
		}
	}
	for _, need := range t.Needs {
		more, err := need.secrets(env)
		if err != nil {
			return nil, err
		}
		for id, content := range more {
			if own, ok := secrets[id]; ok && !bytes.Equal(own, content) {
				return nil, fmt.Errorf("build secret %q is another one in %q, whose image this one needs; rename one of them", id, need.Service)
			}
			secrets[id] = content
		}
	}
	return secrets, nil
}

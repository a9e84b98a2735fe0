// Package solve owns one solve of a target's Dockerfile on one builder: what BuildKit's Dockerfile frontend is given
// (attributes, contexts, secrets, credentials), its progress, how long a registry may be silent meanwhile, and what a
// failure means. Which solves an image needs, and what becomes of their results, is not decided here.
package solve

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/util/entitlements"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/regular"
	"github.com/25eloquence/compose-mage/internal/stepnet"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Environment is what a build takes from the machine it is started on.
type Environment struct {
	Lookup   func(string) (string, bool) // the project's variables: .env's and the environment's
	Proxies  map[string]string           // of the Docker configuration, by argument; those of Lookup win
	CABundle string                      // path of the CA bundle offered to build steps as the secret "ca"; "" for none
	Secrets  types.Secrets               // the project's top-level secrets
	Steps    *stepnet.Network            // the network of build steps; nil where they share the builder's
	Policy   *spb.Policy                 // pins the bases that are locked; nil for none
	// PullPolicy is Policy for builds that ask for newer bases: only what no registry has is pinned.
	PullPolicy *spb.Policy
}

// NewRequest translates a target into what BuildKit's Dockerfile frontend takes, and gives the local contexts by name.
// Exports and cache are the caller's to add.
func NewRequest(
	ctx context.Context, t buildplan.Target, project string, env Environment, c *Contexts,
) (Request, map[string]*LocalContext, error) {
	local := map[string]*LocalContext{}
	attrs := attributes(t, project, env)
	opt := Request{needs: map[string]Request{}, SolveOpt: client.SolveOpt{
		Frontend: frontend(attrs), FrontendAttrs: attrs, FrontendInputs: map[string]llb.State{},
		LocalMounts: map[string]fsutil.FS{}, OCIStores: map[string]content.Store{}, SourcePolicy: env.Policy,
	}}
	if t.Build.Pull {
		opt.SourcePolicy = env.PullPolicy
	}
	if err := sources(ctx, t, &opt.SolveOpt, c, local); err != nil {
		return opt, nil, err
	}
	opt.SharedKey = sharedKey(t, project, local)
	for name, other := range t.Needs {
		need, more, err := NewRequest(ctx, other, project, env, c)
		if err != nil {
			return opt, nil, fmt.Errorf("additional context %q: %w", name, err)
		}
		need.FrontendAttrs = withoutNoCache(need.FrontendAttrs) // its steps have just run
		opt.needs[name] = need
		opt.AllowedEntitlements = append(opt.AllowedEntitlements, need.AllowedEntitlements...)
		maps.Copy(opt.OCIStores, need.OCIStores) // the frontend asks the build's own session for each
		for key, lc := range more {
			local[name+"/"+key] = lc
		}
	}
	attachables, err := attachables(t, env)
	if err != nil {
		return opt, nil, err
	}
	opt.Session = attachables
	opt.AllowedEntitlements = append(opt.AllowedEntitlements, allowedEntitlements(t)...)
	return opt, local, nil
}

// sharedKey is the key by which the builder finds the directories that the last run sent, so that only changed files
// are sent. The builder compares files by size and time: another directory, be it at the same path, must not pass for
// the one that was sent. Each image has its own key: two solves can't use a key at the same time, and a solve that
// copies other files would throw away those of the first.
func sharedKey(t buildplan.Target, project string, local map[string]*LocalContext) string {
	parts := []string{machineID(), project, t.Key}
	for _, name := range slices.Sorted(maps.Keys(local)) {
		parts = append(parts, name, local[name].dir, buildcontext.Identity(local[name].dir))
	}
	return fmt.Sprintf("%s/%s:%x", project, t.Key, sha256.Sum256([]byte(strings.Join(parts, "\x00"))))
}

// allowedEntitlements are what the build asks the builder to be allowed.
func allowedEntitlements(t buildplan.Target) []string {
	asked := slices.Clone(t.Build.Entitlements)
	if t.Build.Network == "host" {
		asked = append(asked, entitlements.EntitlementNetworkHost.String())
	}
	if t.Build.Privileged {
		asked = append(asked, entitlements.EntitlementSecurityInsecure.String())
	}
	slices.Sort(asked)
	return slices.Compact(asked)
}

// NamedContext begins the local name of an additional context.
const NamedContext = "named-"

// sources offers what the build may read: its contexts, and the Dockerfile as a value, so that an unchanged one is not
// sent.
func sources(
	ctx context.Context, t buildplan.Target, opt *client.SolveOpt, c *Contexts, read map[string]*LocalContext,
) error {
	for name, source := range t.Build.AdditionalContexts {
		if _, ok := t.Needs[name]; ok {
			continue
		}
		if path, ok := strings.CutPrefix(source, layoutPrefix); ok {
			var err error
			if opt.FrontendAttrs["context:"+name], err = addLayout(opt, path); err != nil {
				return fmt.Errorf("additional context %q: %w", name, err)
			}
			continue
		}
		if dockerfile.Remote(source) {
			opt.FrontendAttrs["context:"+name] = source
			continue
		}
		local := NamedContext + name // "context" is taken
		lc, err := c.get(ctx, source, "")
		if err == nil {
			opt.LocalMounts[local], err = lc.fs()
		}
		if err != nil {
			return fmt.Errorf("additional context %q: %w", name, err)
		}
		read[local] = lc
		opt.FrontendAttrs["context:"+name] = "local:" + local
	}
	if dockerfile.Remote(t.Context) {
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
		opt.LocalMounts["context"], err = lc.fs()
	}
	if err != nil {
		return err
	}
	read["context"] = lc
	definition, err := definition(t, opt.FrontendAttrs["filename"], lc.ignoreFile)
	if err != nil {
		return err
	}
	opt.FrontendInputs["dockerfile"] = definition
	return nil
}

// definition is the Dockerfile under the name that errors will show, and the ignore file under the name of the
// Dockerfile's own one, whichever ignore file counts and even where none does: else the frontend would look for an
// ignore file in the context, with a transfer of its own in every solve.
func definition(t buildplan.Target, name, ignoreFile string) (llb.State, error) {
	text, ignore := []byte(t.Inline), []byte(nil)
	var err error
	if t.Inline == "" {
		if text, err = regular.Read(t.Dockerfile, dockerfile.MaxBytes); err != nil {
			return llb.State{}, fmt.Errorf("reading the Dockerfile: %w", err)
		}
	}
	if ignoreFile != "" {
		if ignore, err = regular.Read(ignoreFile, dockerfile.MaxBytes); err != nil {
			return llb.State{}, fmt.Errorf("reading the ignore file: %w", err)
		}
	}
	ignore = append(ignore, '\n') // it takes an empty one for none
	files := llb.Mkfile(name, 0o644, text).Mkfile(name+".dockerignore", 0o644, ignore)
	return llb.Scratch().File(files, llb.WithCustomName("[internal] load build definition from "+name)), nil
}

// attachables are what the builder may ask back for: registry credentials from the Docker configuration and its
// helpers, secrets, and the SSH agent where the target wants it.
func attachables(t buildplan.Target, env Environment) ([]session.Attachable, error) {
	auth := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(ui.New(os.Stderr).Writer())),
	})
	secrets, err := buildSecrets(t, env)
	if err != nil {
		return nil, err
	}
	out := []session.Attachable{auth, secretsprovider.FromMap(secrets)}
	if keys := sshKeys(t); len(keys) > 0 {
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

// sshKeys lists the SSH agents and keys of the target and of what it needs.
func sshKeys(t buildplan.Target) []types.SSHKey {
	keys := slices.Clone(t.Build.SSH)
	for _, need := range t.Needs {
		for _, key := range sshKeys(need) {
			if !slices.ContainsFunc(keys, func(k types.SSHKey) bool { return k.ID == key.ID }) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// Environment is what a build takes from the machine it is started on.
type Environment struct {
	Lookup   func(string) (string, bool) // variables, as os.LookupEnv
	CABundle string                      // path of the CA bundle offered to build steps as the secret "ca"; "" for none
	Secrets  types.Secrets               // the project's top-level secrets
}

// solveOpt translates a target into what BuildKit's Dockerfile frontend takes. Exports and cache exports are the
// caller's.
func (t Target) solveOpt(project string, env Environment) (client.SolveOpt, error) {
	opt := client.SolveOpt{Frontend: "dockerfile.v0", FrontendAttrs: t.attributes(project, env), LocalMounts: map[string]fsutil.FS{}}
	if err := t.mount(&opt); err != nil {
		return opt, err
	}
	attachables, err := t.attachables(env)
	if err != nil {
		return opt, err
	}
	opt.Session = attachables
	opt.AllowedEntitlements = append(opt.AllowedEntitlements, t.Build.Entitlements...)
	if t.Build.Network == "host" {
		opt.AllowedEntitlements = append(opt.AllowedEntitlements, "network.host")
	}
	return opt, nil
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
	for name, source := range t.Build.AdditionalContexts {
		if remote(source) {
			attrs["context:"+name] = source
		} else {
			attrs["context:"+name] = "local:" + name
		}
	}
	if remote(t.Context) {
		attrs["context"] = t.Context
		set("filename", t.Build.Dockerfile)
	}
	return attrs
}

// mount offers the local directories that the build may read; BuildKit asks only for what the Dockerfile copies.
func (t Target) mount(opt *client.SolveOpt) error {
	dirs := map[string]string{}
	for name, source := range t.Build.AdditionalContexts {
		if !remote(source) {
			dirs[name] = source
		}
	}
	if !remote(t.Context) {
		dirs["context"] = t.Context
		if t.Dockerfile != "" {
			dirs["dockerfile"] = filepath.Dir(t.Dockerfile)
		}
	}
	for name, dir := range dirs {
		fs, err := fsutil.NewFS(dir)
		if err != nil {
			return fmt.Errorf("opening build context %q: %w", dir, err)
		}
		opt.LocalMounts[name] = fs
	}
	if t.Inline != "" {
		inline := staticfs.NewFS()
		inline.Add("Dockerfile", &fstypes.Stat{Mode: 0o644, Size: int64(len(t.Inline))}, []byte(t.Inline))
		opt.LocalMounts["dockerfile"] = inline
	}
	return nil
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
	if len(t.Build.SSH) > 0 {
		var agents []sshprovider.AgentConfig
		for _, key := range t.Build.SSH {
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

// secrets reads the target's build secrets; the CA bundle is always on offer, as the secret "ca".
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
	return secrets, nil
}

// cacheImports lists where earlier results may be found: the project's cache, then the file's own cache_from.
func (t Target) cacheImports() []client.CacheOptionsEntry {
	var out []client.CacheOptionsEntry
	if t.CacheRef != "" {
		out = append(out, client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": t.CacheRef}})
	}
	for _, from := range t.Build.CacheFrom {
		out = append(out, cacheEntry(from))
	}
	return out
}

// cacheExports lists where results go. A cache that can't be written never fails a build.
func (t Target) cacheExports() []client.CacheOptionsEntry {
	var out []client.CacheOptionsEntry
	if t.CacheRef != "" {
		out = append(out, client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{
			"ref": t.CacheRef, "mode": "max", "compression": "zstd", "oci-mediatypes": "true", "image-manifest": "true",
		}})
	}
	for _, to := range t.Build.CacheTo {
		out = append(out, cacheEntry(to))
	}
	for i := range out {
		if out[i].Attrs["ignore-error"] == "" {
			out[i].Attrs["ignore-error"] = "true"
		}
	}
	return out
}

// cacheEntry reads "type=registry,ref=host/name" or a bare reference, as Compose has them.
func cacheEntry(s string) client.CacheOptionsEntry {
	if !strings.Contains(s, "=") {
		return client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": s}}
	}
	entry := client.CacheOptionsEntry{Attrs: map[string]string{}}
	for field := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(field, "=")
		if key == "type" {
			entry.Type = value
		} else {
			entry.Attrs[key] = value
		}
	}
	return entry
}

// solve runs one solve and forwards its progress until the channel is drained.
func solve(ctx context.Context, c *client.Client, opt client.SolveOpt, progress func(*client.SolveStatus)) (*client.SolveResponse, error) {
	status := make(chan *client.SolveStatus)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for s := range status {
			progress(s)
		}
	}()
	resp, err := c.Solve(ctx, nil, opt, status)
	<-drained
	return resp, err
}

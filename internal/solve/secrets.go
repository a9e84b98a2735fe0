package solve

import (
	"bytes"
	"fmt"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// buildSecrets reads the build secrets of the target and of what it needs; the CA bundle is always on offer, as the
// secret "ca". A secret from a variable that is not set is empty, as with docker compose; secretNotes names that
// secret.
func buildSecrets(t buildplan.Target, env Environment) (map[string][]byte, error) {
	secrets := map[string][]byte{}
	if env.CABundle != "" {
		ca, err := bounded.ReadFile(env.CABundle)
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
			content, err := regular.Read(source.File, dockerfile.MaxBytes)
			if err != nil {
				return nil, fmt.Errorf("reading build secret %q: %w", use.Source, err)
			}
			secrets[id] = content
		case source.Environment != "":
			v, _ := env.Lookup(source.Environment)
			secrets[id] = []byte(v)
		case source.Content != "":
			secrets[id] = []byte(source.Content)
		}
	}
	for _, need := range t.Needs {
		more, err := buildSecrets(need, env)
		if err != nil {
			return nil, err
		}
		for id, content := range more {
			if own, ok := secrets[id]; ok && !bytes.Equal(own, content) {
				return nil,
					fmt.Errorf("build secret %q is another one in %q, whose image this one needs; rename one of them",
						id, need.Service)
			}
			secrets[id] = content
		}
	}
	return secrets, nil
}

// secretNotes names the secrets that a build would be given empty, or not at all.
func secretNotes(t buildplan.Target, env Environment) []string {
	var out []string
	for _, use := range t.Build.Secrets {
		source := env.Secrets[use.Source]
		switch {
		case bool(source.External):
			out = append(out, fmt.Sprintf("build secret %q is external: a build is not given it", use.Source))
		case source.File == "" && source.Environment != "":
			if _, ok := env.Lookup(source.Environment); !ok {
				out = append(out,
					fmt.Sprintf("build secret %q is empty: variable %s is not set", use.Source, source.Environment))
			}
		}
	}
	return out
}

package swarmspec

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/swarm"
)

// contents converts secrets and configs. They can't be changed on a Swarm, so their names follow from what they are:
// another content is another secret.
func (c *converter) contents() error {
	for _, key := range slices.Sorted(maps.Keys(c.project.Secrets)) {
		s := c.project.Secrets[key]
		if bool(s.External) {
			c.stack.External.Secrets = append(c.stack.External.Secrets, cmp.Or(s.Name, key))
			continue
		}
		spec := swarm.SecretSpec{
			Annotations: swarm.Annotations{Labels: c.labels(s.Labels)}, Driver: contentDriver(s.Driver, s.DriverOpts),
			Templating: contentDriver(s.TemplateDriver, nil),
		}
		if spec.Driver == nil {
			data, has := c.options.Secrets[key]
			if !has {
				return fmt.Errorf("secret %q has no content", key)
			}
			spec.Data = c.notEmpty("secrets."+key, data)
		}
		spec.Name = c.contentName(key, spec.Data, spec)
		spec.Labels[ContentLabel] = key
		c.stack.Secrets[key] = spec
	}
	for _, key := range slices.Sorted(maps.Keys(c.project.Configs)) {
		s := c.project.Configs[key]
		if bool(s.External) {
			c.stack.External.Configs = append(c.stack.External.Configs, cmp.Or(s.Name, key))
			continue
		}
		data, has := c.options.Configs[key]
		if !has {
			return fmt.Errorf("config %q has no content", key)
		}
		spec := swarm.ConfigSpec{
			Annotations: swarm.Annotations{Labels: c.labels(s.Labels)}, Data: c.notEmpty("configs."+key, data),
			Templating: contentDriver(s.TemplateDriver, nil),
		}
		spec.Name = c.contentName(key, spec.Data, spec)
		spec.Labels[ContentLabel] = key
		c.stack.Configs[key] = spec
	}
	return nil
}

// notEmpty is a content as a Swarm takes it: it refuses an empty one.
func (c *converter) notEmpty(path string, data []byte) []byte {
	c.change("", len(data) == 0, path, "a line break stands for its empty content, which a Swarm does not take")
	if len(data) == 0 {
		return []byte("\n")
	}
	return data
}

func contentDriver(name string, options map[string]string) *swarm.Driver {
	if name == "" {
		return nil
	}
	return &swarm.Driver{Name: name, Options: options}
}

// contentName is stack_key-hash, at most the 64 bytes that a Swarm allows.
func (c *converter) contentName(key string, data []byte, spec any) string {
	hash := sha256.New()
	hash.Write(data)
	shape, _ := json.Marshal(spec) // drivers and labels; maps are sorted
	hash.Write(shape)
	const most, digits = 64, 12
	name := c.scoped(key)
	return name[:min(len(name), most-digits-1)] + "-" + hex.EncodeToString(hash.Sum(nil))[:digits]
}

func (c *converter) secretReferences(s types.ServiceConfig) ([]*swarm.SecretReference, error) {
	var out []*swarm.SecretReference
	for _, r := range s.Secrets {
		config, known := c.project.Secrets[r.Source]
		if !known {
			return nil, fmt.Errorf("secret %q is not in the project", r.Source)
		}
		name := c.stack.Secrets[r.Source].Name
		if bool(config.External) {
			name = cmp.Or(config.Name, r.Source)
		}
		out = append(out, &swarm.SecretReference{SecretName: name, File: &swarm.SecretReferenceFileTarget{
			Name: cmp.Or(strings.TrimPrefix(r.Target, "/run/secrets/"), r.Source), UID: cmp.Or(r.UID, "0"),
			GID: cmp.Or(r.GID, "0"), Mode: fileMode(r.Mode),
		}})
	}
	slices.SortFunc(out, func(a, b *swarm.SecretReference) int {
		return cmp.Or(strings.Compare(a.SecretName, b.SecretName), strings.Compare(a.File.Name, b.File.Name))
	})
	return out, nil
}

func (c *converter) configReferences(s types.ServiceConfig) ([]*swarm.ConfigReference, error) {
	var out []*swarm.ConfigReference
	name := func(key string) (string, error) {
		config, known := c.project.Configs[key]
		switch {
		case !known:
			return "", fmt.Errorf("config %q is not in the project", key)
		case bool(config.External):
			return cmp.Or(config.Name, key), nil
		}
		return c.stack.Configs[key].Name, nil
	}
	for _, r := range s.Configs {
		config, err := name(r.Source)
		if err != nil {
			return nil, err
		}
		out = append(out, &swarm.ConfigReference{ConfigName: config, File: &swarm.ConfigReferenceFileTarget{
			Name: cmp.Or(r.Target, r.Source), UID: cmp.Or(r.UID, "0"), GID: cmp.Or(r.GID, "0"),
			Mode: fileMode(r.Mode),
		}})
	}
	if s.CredentialSpec != nil && s.CredentialSpec.Config != "" {
		config, err := name(s.CredentialSpec.Config)
		if err != nil {
			return nil, err
		}
		out = append(out, &swarm.ConfigReference{ConfigName: config, Runtime: &swarm.ConfigReferenceRuntimeTarget{}})
	}
	slices.SortStableFunc(out, func(a, b *swarm.ConfigReference) int {
		return strings.Compare(a.ConfigName, b.ConfigName)
	})
	return out, nil
}

package swarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// Image makes an image called name that holds just the probe program, with these changes as lines of a Dockerfile, and
// spreads it. It returns what Spread does.
func (s *Swarm) Image(ctx context.Context, name string, changes ...string) (string, error) {
	program, err := enginetest.Probe()
	if err != nil {
		return "", fmt.Errorf("building the probe: %w", err)
	}
	changes = append([]string{`ENTRYPOINT ["/probe"]`, `CMD ["sleep"]`}, changes...)
	source := client.ImageImportSource{Source: bytes.NewReader(program), SourceName: "-"}
	r, err := s.Nodes[0].Client.ImageImport(ctx, source, name, client.ImageImportOptions{Changes: changes})
	if err == nil {
		err = drain(r)
	}
	if err != nil {
		return "", fmt.Errorf("importing %q: %w", name, err)
	}
	return s.Spread(ctx, name)
}

// Spread gives all nodes the image that the first has under that name: by the registry, and then it is called
// registry/name@digest, which is returned; or, where there is none, by its engine, and then name is returned.
func (s *Swarm) Spread(ctx context.Context, name string) (reference string, err error) {
	if s.Registry != "" {
		reference, err = s.push(ctx, name)
	} else {
		reference, err = name, s.copy(ctx, name)
	}
	if err != nil {
		return "", fmt.Errorf("giving the nodes %q: %w", name, err)
	}
	return reference, nil
}

func (s *Swarm) push(ctx context.Context, name string) (string, error) {
	api, reference := s.Nodes[0].Client, s.Registry+"/"+name
	if _, err := api.ImageTag(ctx, client.ImageTagOptions{Source: name, Target: reference}); err != nil {
		return "", err
	}
	r, err := api.ImagePush(ctx, reference, client.ImagePushOptions{RegistryAuth: "e30="})
	if err != nil {
		return "", err
	}
	if err := r.Wait(ctx); err != nil {
		return "", err
	}
	got, err := api.DistributionInspect(ctx, reference, client.DistributionInspectOptions{})
	if err != nil {
		return "", err
	}
	return reference + "@" + got.Descriptor.Digest.String(), nil
}

// copy loads the first node's image into the others.
func (s *Swarm) copy(ctx context.Context, name string) error {
	r, err := s.Nodes[0].Client.ImageSave(ctx, []string{name})
	if err != nil {
		return err
	}
	archive, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	for _, node := range s.Nodes[1:] {
		loaded, err := node.Client.ImageLoad(ctx, bytes.NewReader(archive))
		if err == nil {
			err = drain(loaded)
		}
		if err != nil {
			return fmt.Errorf("loading it into %s: %w", node.Name, err)
		}
	}
	return nil
}

func drain(r io.ReadCloser) error {
	_, err := io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

package diagnosis

import (
	"errors"
	"os/exec"

	"github.com/compose-spec/compose-go/v2/types"
)

// CreateError is the error of a container that could not be made.
type CreateError struct{ Err error }

func (e *CreateError) Error() string { return "creating the container: " + e.Err.Error() }
func (e *CreateError) Unwrap() error { return e.Err }

// PullError is the error of an image that could not be pulled.
type PullError struct{ Image, Text string }

func (e *PullError) Error() string { return "pulling " + e.Image + ": " + e.Text }

// ProviderError is the error of a provider that did not do its part.
type ProviderError struct {
	Kind string // as the service's provider.type has it
	Err  error
}

func (e *ProviderError) Error() string { return "provider " + e.Kind + ": " + e.Err.Error() }
func (e *ProviderError) Unwrap() error { return e.Err }

// MissingProviders are the services whose provider's program is not there, where that is the error.
func MissingProviders(project *types.Project, err error) map[string]error {
	var missing *exec.Error
	if !errors.As(err, &missing) {
		return nil
	}
	failed := map[string]error{}
	for name, s := range project.Services {
		if s.Provider != nil && s.Provider.Type == missing.Name {
			failed[name] = &ProviderError{s.Provider.Type, missing}
		}
	}
	return failed
}

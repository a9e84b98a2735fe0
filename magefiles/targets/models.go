package targets

import (
	"context"
	"path/filepath"

	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/models"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Models downloads a Whisper model into the stack's model volume.
//
// The model is tiny, base.en, small, medium, large-v3-turbo or another of whisper.cpp's. A broken download is resumed,
// the file is checked against its published sum, and whisper-stt uses it after `restart whisper-stt`.
func Models(ctx context.Context, model string,
	sum *string, // SHA-256 or SHA-1 of a model whose sum is not known
	service *string, // the service that reads the volume; whisper-stt by default
	volume *string, // the volume; whisper-models by default
) error {
	return fault.Exit(ctx, downloadModel(ctx, model, value(sum, ""), value(service, "whisper-stt"), value(volume, "")))
}

func downloadModel(ctx context.Context, model, sum, service, volume string) error {
	s, err := openUnstarted(ctx, nil)
	if err != nil {
		return err
	}
	if err := compose.CheckNames(s.stack.Project, []string{service}); err != nil {
		return err
	}
	dir, err := state.Dir()
	if err != nil {
		return err
	}
	reader := s.stack.Project.AllServices()[service]
	err = models.Download(ctx, models.Options{
		API: s.engine, Project: s.stack.Project, Name: model, Sum: sum, Volume: volume, Out: ui.Stdout(),
		Image: api.GetImageNameOrDefault(reader, s.stack.Project.Name), Dir: filepath.Join(dir, "models"),
	})
	if err == nil {
		s.out.Info("next: go tool mage restart %s", service)
	}
	return err
}

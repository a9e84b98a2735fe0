package targets

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"
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
// the file is checked against its published sum. Of several models whisper-stt takes the first by name, or that of STT_MODEL
// in the .env file; it looks when it is restarted.
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
		s.out.Info("next: %s", useModel(reader, model))
	}
	return err
}

// modelVariable names the file of the model that whisper-stt takes.
const modelVariable = "STT_MODEL"

// useModel says what makes the service take the model: a restart, and where the service can be told which of several it takes, the
// variable.
func useModel(service types.ServiceConfig, model string) string {
	restart := "go tool mage restart " + fault.Quote(service.Name)
	file := "ggml-" + model + ".bin"
	if set, has := service.Environment[modelVariable]; !has || set != nil && *set == file {
		return restart
	}
	return fmt.Sprintf("write %s=%s into .env beside the Compose file, else the first model by name is taken; then %s", modelVariable, file, restart)
}

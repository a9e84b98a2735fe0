//mage:multiline

// Package voice owns the targets that only the voice coach 25Eloquence has: its models. Other stacks do not import it.
package voice

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/models"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Models downloads a Whisper model into the stack's model volume.
//
// The model is tiny, base.en, small, medium, large-v3-turbo or another of whisper.cpp's. A broken download is
// resumed, the file is checked against its published sum. Of several models whisper-stt takes the first by name, or
// that of STT_MODEL in the .env file; it looks when it is restarted.
func Models(ctx context.Context, model string,
	sum *string, // SHA-256 or SHA-1 of a model whose sum is not known
	service *string, // the service that reads the volume; whisper-stt by default
	volume *string, // the volume; whisper-models by default
) error {
	o := models.Options{Name: model, Out: ui.Stdout()}
	reader := "whisper-stt"
	if sum != nil {
		o.Sum = *sum
	}
	if service != nil {
		reader = *service
	}
	if volume != nil {
		o.Volume = *volume
	}
	return fault.Exit(ctx, download(ctx, reader, o))
}

// download puts the model into the volume that the service reads.
func download(ctx context.Context, service string, o models.Options) error {
	e, err := engine.Connect(ctx)
	if err != nil {
		return err
	}
	stack, err := compose.Load(ctx, compose.Request{Machine: e.Machine(), CLI: e.CLI, NoEnvFiles: true})
	if err != nil {
		return err
	}
	if err := compose.CheckNames(stack.Project, []string{service}); err != nil {
		return err
	}
	dir, err := state.Dir()
	if err != nil {
		return err
	}
	reader := stack.Project.AllServices()[service]
	o.API, o.Project, o.Dir = e, stack.Project, filepath.Join(dir, "models")
	o.Image = api.GetImageNameOrDefault(reader, stack.Project.Name)
	if err := models.Download(ctx, o); err != nil {
		return err
	}
	o.Out.Info("next: %s", useModel(reader, o.Name))
	return nil
}

// modelVariable names the file of the model that whisper-stt takes.
const modelVariable = "STT_MODEL"

// useModel says what makes the service take the model: a restart, and where the service can be told which of
// several it takes, the variable.
func useModel(service types.ServiceConfig, model string) string {
	restart := "go tool mage restart " + fault.Quote(service.Name)
	file := "ggml-" + model + ".bin"
	if set, has := service.Environment[modelVariable]; !has || set != nil && *set == file {
		return restart
	}
	return fmt.Sprintf("write %s=%s into .env beside the Compose file, else the first model by name is taken; then %s",
		modelVariable, file, restart)
}

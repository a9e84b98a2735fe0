//go:build integration

package models

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const project = "watchclean-models"

func TestDownloadPlacesTheModel(t *testing.T) {
	quick(t)
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+":test", nil)
	h := newHub(t)
	h.drop = 2 // a bad line, too
	var printed bytes.Buffer
	o := Options{
		API: e, Name: "mine", Sum: sum(h.data), Image: project + ":test", BaseURL: h.URL, Dir: t.TempDir(),
		Out: ui.New(&printed), HTTP: h.Client(),
		Project: &types.Project{
			Name: project,
			Volumes: types.Volumes{
				DefaultVolume: {
					Name: project + "_" + DefaultVolume, Labels: types.Labels{"com.25eloquence.volume": "cache"},
				},
			},
		},
	}
	full := o.Project.Volumes[DefaultVolume].Name
	t.Cleanup(func() {
		_, _ = e.VolumeRemove(context.Background(), full, client.VolumeRemoveOptions{Force: true})
	})
	if err := Download(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, printed.String())
	}
	header, data := readBack(t, e, full, "ggml-mine.bin")
	if !bytes.Equal(data, h.data) || header.Uid != DefaultUID || header.Gid != DefaultUID ||
		header.Mode&0o777 != 0o644 {
		t.Errorf("%d bytes of %d, owner %d:%d, mode %o", len(data), len(h.data), header.Uid, header.Gid, header.Mode)
	}
	v, err := e.VolumeInspect(t.Context(), full, client.VolumeInspectOptions{})
	if err != nil || v.Volume.Labels["com.docker.compose.volume"] != DefaultVolume ||
		v.Volume.Labels["com.25eloquence.volume"] != "cache" {
		t.Errorf("the volume is not as Compose makes it: %v %v", v.Volume.Labels, err)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	list, err := e.ContainerList(t.Context(),
		client.ContainerListOptions{
			All: true, Filters: client.Filters{}.Add("label", "com.docker.compose.project="+project),
		})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("%d containers left (%v)", len(list.Items), err)
	}
	asked := len(h.ranges)
	if err := Download(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if len(h.ranges) != asked+1 || !strings.Contains(printed.String(), "is in volume whisper-models already") {
		t.Errorf("a second run asked %d times more:\n%s", len(h.ranges)-asked, printed.String())
	}
}

func TestMissingImageSaysBuild(t *testing.T) {
	e := enginetest.Connect(t)
	o := Options{
		API: e, Name: "tiny", Image: project + "-nosuch:image", Dir: t.TempDir(),
		Project: &types.Project{Name: project, Volumes: types.Volumes{DefaultVolume: {Name: project + "_nosuch"}}},
	}
	t.Cleanup(func() {
		_, _ = e.VolumeRemove(context.Background(), project+"_nosuch", client.VolumeRemoveOptions{Force: true})
	})
	if err := Download(t.Context(), o); err == nil || !strings.Contains(err.Error(), "go tool mage build") {
		t.Errorf("got %v", err)
	}
}

// readBack takes the file out of the volume through a container of its own.
func readBack(t *testing.T, e *engine.Engine, volume, file string) (*tar.Header, []byte) {
	t.Helper()
	id := enginetest.Container(t, e, project+"-reader",
		&container.Config{Image: project + ":test", Cmd: []string{"sleep"}},
		&container.HostConfig{Binds: []string{volume + ":/m:ro"}}, true)
	got, err := e.CopyFromContainer(t.Context(), id, client.CopyFromContainerOptions{SourcePath: "/m/" + file})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Content.Close()
	r := tar.NewReader(got.Content)
	header, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.ContainerRemove(t.Context(), id, client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	return header, data
}

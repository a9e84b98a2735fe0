package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// Checkout is another folder that holds a project of the same name, and the services that the folder has made
// containers of. To docker compose one name is one project: each of the two takes the other's containers for its own.
type Checkout struct {
	Folder   string   `json:"folder"`
	Services []string `json:"services"` // by name
}

// Checkouts lists the other checkouts that the project's containers are of, whatever state they are in, by folder.
func Checkouts(ctx context.Context, e Lister, project *types.Project) ([]Checkout, error) {
	all, err := All(ctx, e, project.Name)
	if err != nil {
		return nil, err
	}
	return CheckoutsAmong(all, project), nil
}

// CheckoutsAmong is Checkouts of containers that are listed already.
func CheckoutsAmong(all []moby.Summary, project *types.Project) []Checkout {
	services := map[string]map[string]bool{}
	for _, c := range all {
		if folder := c.Labels[WorkingDirLabel]; c.Labels[ProjectLabel] == project.Name &&
			OfAnother(c.Labels, project) {
			if services[folder] == nil {
				services[folder] = map[string]bool{}
			}
			services[folder][c.Labels[ServiceLabel]] = true
		}
	}
	var out []Checkout
	for folder, names := range services {
		c := Checkout{Folder: folder}
		for name := range names {
			c.Services = append(c.Services, name)
		}
		slices.Sort(c.Services)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Checkout) int { return cmp.Compare(a.Folder, b.Folder) })
	return out
}

// OfAnother says whether a container with these labels was made by another checkout: by a folder that is not the
// project's, is still there and still has the Compose files. A folder that was moved, a link to the same one or
// another spelling of it, other files of the same folder, and another project directory of the same file are no other
// checkout. One that may not be looked into may be one.
func OfAnother(labels map[string]string, project *types.Project) bool {
	folder := labels[WorkingDirLabel]
	if folder == "" || regular.SameFile(folder, project.WorkingDir) {
		return false
	}
	files := configFiles(folder, labels[api.ConfigFilesLabel])
	if len(project.ComposeFiles) > 0 && regular.SameFile(files[0], project.ComposeFiles[0]) {
		return false
	}
	if !there(folder, fs.FileInfo.IsDir) {
		return false
	}
	return slices.ContainsFunc(files, func(file string) bool {
		return there(file, func(i fs.FileInfo) bool { return i.Mode().IsRegular() })
	})
}

// configFiles are the Compose files of a label. A comma separates them; where a path contains a comma itself, the
// whole label may be one path.
func configFiles(folder, label string) []string {
	files := strings.Split(label, ",")
	if there(label, func(i fs.FileInfo) bool { return i.Mode().IsRegular() }) {
		files = []string{label}
	}
	for i, file := range files {
		if !filepath.IsAbs(file) {
			files[i] = filepath.Join(folder, file)
		}
	}
	return files
}

// there says whether the path is there and of the kind, or may not be looked at.
func there(path string, kind func(fs.FileInfo) bool) bool {
	info, err := os.Stat(path)
	return err == nil && kind(info) || errors.Is(err, fs.ErrPermission)
}

// RefuseOthers returns an error of code Config where another checkout has containers of the project's name; target is
// the target that then does nothing. start, restart, stop and cleanup all call RefuseOthers, unless -take-over is
// given.
func RefuseOthers(ctx context.Context, e Lister, project *types.Project, target string) error {
	others, err := Checkouts(ctx, e, project)
	if err != nil || len(others) == 0 {
		return err
	}
	return Refusal(others, project, target)
}

// Refusal is the error that says so.
func Refusal(others []Checkout, project *types.Project, target string) *fault.Error {
	own := OwnName(project)
	said := make([]string, len(others))
	for i, o := range others {
		said[i] = o.String()
	}
	f := fault.New(fault.Config, "COMPOSE_PROJECT_NAME="+fault.Quote(own)+" go tool mage "+fault.Quote(target),
		"containers of project %q are another checkout's, %s; nothing was touched", project.Name,
		strings.Join(said, ", and "))
	f.Detail = append(f.Detail, "a name of its own for this one, "+project.WorkingDir+
		", keeps the two apart: COMPOSE_PROJECT_NAME="+own+
		" in the environment or in its .env, or name: "+own+" in its Compose file")
	if target == "stop" || target == "cleanup" { // under another name there is nothing to stop
		f.Next = "cd " + fault.Quote(others[0].Folder) + " && go tool mage " + fault.Quote(target)
	}
	f.Detail = append(f.Detail, "go tool mage "+fault.Quote(target)+" -take-over goes on with them from here")
	return f
}

// String names the folder and its services.
func (c Checkout) String() string {
	return fmt.Sprintf("%q (%s)", c.Folder, strings.Join(c.Services, ", "))
}

// Says gives a sentence about the checkout, and the command that helps.
func (c Checkout) Says(project *types.Project) (text, next string) {
	return fmt.Sprintf("containers of project %q are another checkout's, %s", project.Name, c),
		"COMPOSE_PROJECT_NAME=" + fault.Quote(OwnName(project)) +
			" go tool mage start, or go tool mage start -take-over"
}

// OwnName proposes a name for the project that differs from the name it shares: its folder's.
func OwnName(project *types.Project) string {
	name := loader.NormalizeProjectName(filepath.Base(project.WorkingDir))
	if name == "" || name == project.Name {
		name = project.Name + "-2"
	}
	return name
}

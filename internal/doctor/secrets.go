package doctor

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func checkSecrets(_ context.Context, in Input) []Result {
	if in.Project == nil || len(in.Project.Secrets) == 0 {
		return nil
	}
	var bad []Result
	for _, name := range slices.Sorted(maps.Keys(in.Project.Secrets)) {
		s := in.Project.Secrets[name]
		if s.File == "" || bool(s.External) {
			continue
		}
		info, err := os.Stat(s.File)
		if r := secret(name, s.File, readers(in.Project, name), info, err); r.Level != OK {
			bad = append(bad, r)
		}
	}
	if len(bad) == 0 {
		return []Result{pass("%s in place, closed to others", count(len(in.Project.Secrets), "secret"))}
	}
	return bad
}

// secret judges one secret's file by what stat gave.
func secret(name, path string, readBy []string, info fs.FileInfo, err error) Result {
	who := strings.Join(readBy, ", ")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(fault.Config, "go tool mage setup", "secret %q of %s: there is no file %q", name, who, path)
	case err != nil:
		return fail(fault.Config, "", "secret %q of %s: %v", name, who, err)
	case info.IsDir():
		// What the engine makes of a bind mount whose source is missing.
		return fail(fault.Config, "remove it, then go tool mage setup", "secret %q of %s: %q is a folder", name, who, path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return warn("chmod 600 "+path, "secret %q of %s: others may read %q (mode %04o)", name, who, path, info.Mode().Perm())
	}
	return Result{}
}

// readers are the services that use a secret, by name.
func readers(project *types.Project, name string) []string {
	var users []string
	for _, service := range project.ServiceNames() {
		for _, s := range project.Services[service].Secrets {
			if s.Source == name {
				users = append(users, service)
			}
		}
	}
	if len(users) == 0 {
		users = []string{"no active service"}
	}
	return users
}

package compose

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// variables are all that docker compose's command and libraries read by name, and what becomes of each here.
var variables = map[string]string{
	"COMPOSE_FILE":                    "which files are read; then no overlays are added",
	"COMPOSE_PATH_SEPARATOR":          "between the entries of COMPOSE_FILE",
	"COMPOSE_PROJECT_NAME":            "the project's name",
	"COMPOSE_PROFILES":                "the active profiles",
	"COMPOSE_ENV_FILES":               "read instead of .env",
	"COMPOSE_DISABLE_ENV_FILE":        "no .env is read",
	"COMPOSE_CONVERT_WINDOWS_PATHS":   "by Compose's library",
	"COMPOSE_COMPATIBILITY":           "by Compose's library: names with _ instead of -",
	"COMPOSE_REMOVE_ORPHANS":          "Settings.RemoveOrphans",
	"COMPOSE_IGNORE_ORPHANS":          "Settings.IgnoreOrphans",
	"COMPOSE_PARALLEL_LIMIT":          "refused where it is no number; what is started at a time follows from the CPUs",
	"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "whether Git resources are loaded, also from .env",
	"COMPOSE_EXPERIMENTAL_OCI_REMOTE": "whether oci:// resources are loaded, also from .env",
	"DOCKER_DEFAULT_PLATFORM":         "the platform of services that name none",
	"COMPOSE_RELAY_IMAGE":             "by Compose's library, from the process's environment",
	"COMPOSE_PROVIDER_MESSAGES":       "set by Compose's library for providers",
	"COMPOSE_ANSI":                    "not read: NO_COLOR says whether we colour",
	"COMPOSE_MENU":                    "not read: there is no menu",
	"COMPOSE_PROGRESS":                "not read: build has -progress",
	"COMPOSE_STATUS_STDOUT":           "not read: -json says what goes where",
	"COMPOSE_EXPERIMENTAL":            "not read: Docker Desktop's features",

	"COMPOSE_EXPERIMENTAL_WATCH_TAR":    "not read: of `docker compose watch`",
	"COMPOSE_WATCH_WINDOWS_BUFFER_SIZE": "not read: of `docker compose watch`",
}

var variableName = regexp.MustCompile(`"((?:COMPOSE|DOCKER_DEFAULT)_[A-Z_]+)"`)

// A variable that a later docker compose reads fails here until somebody decides.
func TestEveryVariableOfDockerComposeIsDecided(t *testing.T) {
	for _, module := range []string{"github.com/docker/compose/v5", "github.com/compose-spec/compose-go/v2"} {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(strings.TrimSpace(string(out)), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.Contains(filepath.ToSlash(path), "/e2e/") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range variableName.FindAllStringSubmatch(string(text), -1) {
				if variables[m[1]] == "" {
					t.Errorf("%s reads %s, and nobody has said what we do with it", filepath.Base(path), m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

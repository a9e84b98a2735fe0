//go:build unix

package compose

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// TestSeccompProfilesAreFiles guards against a profile without an end: Compose's library reads it whole, or waits for
// its writer.
func TestSeccompProfilesAreFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(syscall.Mkfifo(path("pipe"), 0o600), os.Symlink("/dev/zero", path("device")),
		os.WriteFile(path("file"), []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]string{
		"seccomp:pipe": "is a pipe", "seccomp=device": "is a device", "seccomp:file": "", "seccomp:unconfined": "",
		"no-new-privileges": "", "seccomp:none": "",
	} {
		file := path("compose.yaml")
		if err := os.WriteFile(file, []byte("services: {a: {image: i, security_opt: ['"+option+"']}}\n"),
			0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(t.Context(), Request{Dir: dir, Files: []string{file}})
		var f *fault.Error
		if want == "" && err != nil || want != "" &&
			(!errors.As(err, &f) || f.Code != fault.Config || f.Next == "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", option, err, want)
		}
	}
}

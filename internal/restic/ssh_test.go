package restic

import (
	"errors"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// TestSSHCommand: ssh asks nobody and is bounded, and takes nothing of an address for an option.
func TestSSHCommand(t *testing.T) {
	for location, want := range map[string]string{
		"sftp:u@h:/d":             "-l u h",
		"sftp:h:d":                "h",
		"sftp://u@h:2222//d":      "-l u -p 2222 h",
		"sftp://h/d":              "h",
		"sftp://u@[::1]:22//d":    "-l u -p 22 ::1",
		"sftp:a@b@h:/d":           "-l a@b h",
		"sftp:u v@h:/d":           "",
		"s3:https://h/b":          "",
		"/mnt/sftp:x":             "",
		"sftp:-oProxyCommand=x:/": "refused",
		"sftp:-l@h:/":             "refused",
		"sftp://-x@h/d":           "refused",
	} {
		got, err := sshCommand(location)
		var f *fault.Error
		switch {
		case want == "refused":
			if !errors.As(err, &f) || f.Code != fault.Config {
				t.Errorf("%s: got %q, %v", location, got, err)
			}
		case err != nil || want == "" && len(got) > 0:
			t.Errorf("%s: got %q, %v", location, got, err)
		case want != "" && (len(got) != 2 || got[1] != "sftp.command=ssh "+sshOptions+" "+want+" -s sftp"):
			t.Errorf("%s: got %q", location, got)
		}
	}
	for _, option := range []string{"BatchMode=yes", "ConnectTimeout=", "ServerAliveInterval="} {
		if !strings.Contains(sshOptions, option) {
			t.Errorf("ssh is not told %s", option)
		}
	}
}

// TestAdvice: what to type next names the server that the repository is on.
func TestAdvice(t *testing.T) {
	for location, wants := range map[string][3]string{
		"sftp://u@h:2222//d": {"ssh -p 2222 u@h", "ssh-copy-id -p 2222 u@h", "h:2222"},
		"sftp:h:/d":          {"ssh h", "ssh-copy-id h", "see that h "},
		"s3:https://h:9/b":   {"", "", "h:9"},
		"rest:http://u:p@h/": {"", "", "see that h "},
	} {
		r := Repository{Location: location}
		for i, cause := range []fault.ResticCause{fault.ResticHostKey, fault.ResticLogin, fault.ResticUnreachable} {
			if _, next := r.advice(cause); !strings.Contains(next, wants[i]) {
				t.Errorf("%s: got %q, want %q", location, next, wants[i])
			}
		}
	}
}

package fault

import (
	"strings"
	"testing"
)

// TestResticCauseOf has what restic 0.14 printed, and later versions' other wordings.
func TestResticCauseOf(t *testing.T) {
	for printed, want := range map[string]ResticCause{
		"": ResticOther,
		"Fatal: unable to open config file: stat nothere/config: no such file or directory\n" +
			"Is there a repository at the following location?\nnothere\n": ResticNoRepository,
		"Fatal: repository does not exist: unable to open config file: Stat: 404\n": ResticNoRepository,
		"Fatal: wrong password or no key found\n":                                   ResticWrongPassword,
		"Fatal: unable to open config file: client.Head: Head \"http://127.0.0.1:1/config\": dial tcp 127.0.0.1:1: " +
			"connect: connection refused\nIs there a repository at the following location?\n": ResticUnreachable,
		"subprocess ssh: ssh: connect to host h port 22: Connection refused\nFatal: unable to open repository at " +
			"sftp:h:/x: unable to start the sftp session, error: EOF\n": ResticUnreachable,
		"Fatal: unable to save snapshot: write r/data/ce/tmp-1: no space left on device\n": ResticFull,
		"Save(<lock/1f>) returned error: open r/locks/1f: read-only file system\n" +
			"unable to create lock in backend\n": ResticForbidden,
		"Fatal: unable to open config file: Stat: Access Denied.\n": ResticForbidden,
		"unable to create lock in backend: repository is already locked exclusively by PID 12 on h " +
			"by root\n": ResticLocked,
		"ignoring error for /: decrypting blob f3 failed: ciphertext verification failed\n":      ResticDamaged,
		"ignoring error for /: ReadFull(<data/7b>): open b/data/7b: no such file or directory\n": ResticDamaged,
		"Fatal: repository contains errors\n":                                                    ResticDamaged,
		"Fatal: something else\n":                                                                ResticOther,
		"Fatal: unable to open config file: Stat: The request signature we calculated does not match the " +
			"signature you provided. Check your key and signing method.\n" +
			"Is there a repository at the following location?\n": ResticCredentials,
		"Fatal: unable to open config file: Stat: The Access Key Id you provided does not exist in our records.\n" +
			"Is there a repository at the following location?\n": ResticCredentials,
		"Fatal: unable to open config file: Stat: The specified bucket does not exist\n" +
			"Is there a repository at the following location?\n": ResticNoBucket,
		"subprocess ssh: Host key verification failed.\nFatal: unable to open repository at sftp:h:/x: unable to " +
			"start the sftp session, error: EOF\n": ResticHostKey,
		"subprocess ssh: u@h: Permission denied (publickey,password).\nFatal: unable to open repository at " +
			"sftp:h:/x: unable to start the sftp session, error: EOF\n": ResticLogin,
		"Fatal: unable to open repository at sftp:h:/x: ReadDir: (/x/keys): permission denied\n": ResticForbidden,
		"Fatal: unable to open repository at sftp:h:/x: cmd.Start: exec: \"ssh\": executable file not " +
			"found in $PATH\n": ResticNoProgram,
		"subprocess ssh: ssh: Could not resolve hostname h: Name or service not known\n": ResticUnreachable,
	} {
		if got := ResticCauseOf(printed); got != want {
			t.Errorf("%q: got %d, want %d", printed, got, want)
		}
	}
}

func TestResticReason(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"one\ntwo":                          "one",
		"one\nFatal: two\nFatal: three":     "three",
		"subprocess ssh: a\nFatal: no room": "no room",
		"subprocess ssh: a\nsubprocess ssh: b\nFatal: unable to start the sftp session, error: EOF": "b",
		"subprocess ssh: broken\nFatal: x: ssh command exited: exit status 255":                     "broken",
	} {
		var lines []string
		if text != "" {
			lines = strings.Split(text, "\n")
		}
		if got := ResticReason(lines); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	const session = "Fatal: unable to start the sftp session, error: EOF\n"
	if !ResticUnexplained(session) || ResticUnexplained(ResticSSH("no key\n")+session) ||
		ResticUnexplained("Fatal: x") {
		t.Error("whether ssh said why")
	}
}

func TestResticRetries(t *testing.T) {
	what, why, ok := ResticRetries("Save(<data/76>) returned error, retrying after 552.3ms: client.PutObject: refused")
	if what != "Save(<data/76>)" || why != "client.PutObject: refused" || !ok {
		t.Errorf("got %q, %q, %v", what, why, ok)
	}
	if _, _, ok := ResticRetries("Save(<data/76>) returned error: refused"); ok {
		t.Error("nothing is tried again")
	}
}

package fault

import "testing"

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
	} {
		if got := ResticCauseOf(printed); got != want {
			t.Errorf("%q: got %d, want %d", printed, got, want)
		}
	}
}

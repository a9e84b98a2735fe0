package fault

import "strings"

// ResticCause is what a failure of restic is about. Before version 0.17 restic has one exit code for all of them.
type ResticCause int

// The causes of restic's failures.
const (
	ResticOther         ResticCause = iota
	ResticNoRepository              // there is none at that place
	ResticWrongPassword             // there is one, and the password is another's
	ResticLocked                    // another run has it
	ResticFull                      // the target has no room
	ResticForbidden                 // the target can't be written to, or read
	ResticUnreachable               // nobody answers there, or the connection broke
	ResticDamaged                   // what the repository holds is not what was written
)

// ResticCauseOf reads the cause out of what restic printed on its standard error, which has no file's content.
func ResticCauseOf(printed string) ResticCause {
	text := strings.ToLower(printed)
	switch {
	case containsAny(text, "no space left on device", "disk quota exceeded", "quota exceeded", "xminiostoragefull"):
		return ResticFull
	case containsAny(text, "wrong password or no key found"):
		return ResticWrongPassword
	case containsAny(text, "repository is already locked", "unable to create lock in backend: locked"):
		return ResticLocked
	case containsAny(text, "connection refused", "no such host", "i/o timeout", "network is unreachable",
		"no route to host", "connection reset", "broken pipe", "unable to start the sftp session",
		"ssh command exited", "connection lost", "tls handshake", "server misbehaving", "connection timed out",
		"unexpected eof", "host key verification failed"):
		return ResticUnreachable
	case containsAny(text, "permission denied", "read-only file system", "access denied", "operation not permitted",
		"403 forbidden", "401 unauthorized", "invalidaccesskeyid", "signaturedoesnotmatch"):
		return ResticForbidden
	case containsAny(text, "is there a repository at the following location", "unable to open config file",
		"repository does not exist"):
		return ResticNoRepository
	case containsAny(text, "ciphertext verification failed", "does not match id", "not found in index",
		"is truncated", "invalid data returned", "loadtree", "wrong hash", "repository contains errors",
		"readfull(<"):
		return ResticDamaged
	}
	return ResticOther
}

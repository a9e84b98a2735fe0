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
	ResticHostKey                   // the SSH server's key is not known, or another than before
	ResticLogin                     // the SSH server takes none of this user's keys
	ResticCredentials               // the target does not know who asks
	ResticNoBucket                  // the place in which the repository would be is not there
	ResticNoProgram                 // restic needs another program, which is not installed
)

// ResticCauseOf reads the cause out of what restic printed on its standard error, which has no file's content.
func ResticCauseOf(printed string) ResticCause {
	text := strings.ToLower(printed)
	switch {
	case containsAny(text, "no space left on device", "disk quota exceeded", "quota exceeded", "xminiostoragefull"):
		return ResticFull
	case containsAny(text, "wrong password or no key found"):
		return ResticWrongPassword
	case containsAny(text, "host key verification failed"):
		return ResticHostKey
	case containsAny(text, "permission denied (", "permission denied, please try again",
		"too many authentication failures"):
		return ResticLogin
	case containsAny(text, "executable file not found"):
		return ResticNoProgram
	case containsAny(text, "401 unauthorized", "invalidaccesskeyid", "signaturedoesnotmatch",
		"access key id you provided does not exist", "request signature we calculated does not match",
		"security token included in the request is invalid"):
		return ResticCredentials
	case containsAny(text, "specified bucket does not exist", "nosuchbucket"):
		return ResticNoBucket
	case containsAny(text, "repository is already locked", "unable to create lock in backend: locked"):
		return ResticLocked
	case containsAny(text, "connection refused", "no such host", "i/o timeout", "network is unreachable",
		"no route to host", "connection reset", "broken pipe", "unable to start the sftp session",
		"ssh command exited", "connection lost", "tls handshake", "server misbehaving", "connection timed out",
		"unexpected eof", "could not resolve hostname", "operation timed out"):
		return ResticUnreachable
	case containsAny(text, "permission denied", "read-only file system", "access denied", "operation not permitted",
		"403 forbidden"):
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

// ResticReason is the line that says most of why restic failed: that of ssh where restic only says that the session
// ended, else restic's last word; "" where there is none.
func ResticReason(lines []string) string {
	reason, ssh := "", ""
	for _, line := range lines {
		if said, ok := strings.CutPrefix(line, fromSSH); ok {
			ssh = said
		}
		if said, ok := strings.CutPrefix(line, "Fatal: "); ok || reason == "" {
			reason = said
		}
	}
	if ssh != "" && containsAny(reason, "unable to start the sftp session", "ssh command exited", fromSSH) {
		return ssh
	}
	return reason
}

// ResticUnexplained says whether restic's session by SSH did not begin, and restic ended before it gave on why.
func ResticUnexplained(printed string) bool {
	return strings.Contains(printed, "unable to start the sftp session") && !strings.Contains(printed, fromSSH)
}

// fromSSH begins the lines by which restic gives on what ssh said.
const fromSSH = "subprocess ssh: "

// ResticSSH is what ssh printed, as restic gives it on.
func ResticSSH(printed string) string {
	out := ""
	for line := range strings.Lines(printed) {
		out += fromSSH + strings.TrimSpace(line) + "\n"
	}
	return out
}

// ResticRetries gives what restic tries again, and why, where the line of its standard error says that it does.
func ResticRetries(line string) (what, why string, ok bool) {
	what, rest, ok := strings.Cut(line, " returned error, retrying after ")
	if !ok {
		return "", "", false
	}
	_, why, _ = strings.Cut(rest, ": ")
	return what, why, true
}

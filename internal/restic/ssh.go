package restic

import (
	"context"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"strings"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// sshOptions are what ssh is told beside what its own configuration says: it asks nobody, for nobody may be there to
// answer, and it ends where the other side has not answered for a minute.
const sshOptions = "-o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=3"

// commandOption begins restic's option of the command that it reaches an SFTP server by.
const commandOption = "sftp.command="

// server is where an SFTP repository is.
type server struct{ user, host, port string }

// serverOf reads it from a repository's address: sftp:user@host:/directory or sftp://user@host:port/directory. It is
// false for another kind of address.
func serverOf(location string) (s server, ok bool) {
	if strings.HasPrefix(location, "sftp://") {
		u, err := url.Parse(location)
		if err != nil {
			return s, false
		}
		return server{u.User.Username(), u.Hostname(), u.Port()}, true
	}
	rest, ok := strings.CutPrefix(location, "sftp:")
	if !ok {
		return s, false
	}
	rest, _, ok = strings.Cut(rest, ":")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		s.user, rest = rest[:at], rest[at+1:]
	}
	s.host = rest
	return s, ok
}

// plainWord is a word that restic gives on to ssh as it is, and that ssh can't take for an option.
var plainWord = regexp.MustCompile(`^[\pL\pN._:%@][\pL\pN._:%@-]*$`)

// args are ssh's to reach the server, as words of a line.
func (s server) args() string {
	words := s.host
	if s.port != "" {
		words = "-p " + s.port + " " + words
	}
	if s.user != "" {
		words = "-l " + s.user + " " + words
	}
	return words
}

// sshCommand gives restic's option by which ssh asks nobody and is bounded. It is an error where ssh would take a part
// of the address for an option of its own.
func sshCommand(location string) ([]string, error) {
	s, ok := serverOf(location)
	if !ok {
		return nil, nil
	}
	for _, word := range []string{s.user, s.host} {
		if strings.HasPrefix(word, "-") {
			return nil, fault.New(fault.Config, "sftp:USER@HOST:/DIRECTORY as the repository",
				"the repository %q: ssh would take %q for an option", fault.Redact(location), word)
		}
		if word != "" && !plainWord.MatchString(word) {
			return nil, nil // restic's own way
		}
	}
	if s.host == "" {
		return nil, nil
	}
	return []string{"-o", commandOption + "ssh " + sshOptions + " " + s.args() + " -s sftp"}, nil
}

// askSSH is what ssh says of a session that it can't begin, where restic did not give it on.
func askSSH(ctx context.Context, location string) string {
	option, err := sshCommand(location)
	if err != nil || len(option) == 0 {
		return ""
	}
	words := strings.Fields(strings.TrimPrefix(option[1], commandOption))
	said := &bounded.Tail{Bytes: bounded.MaxLine}
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Stderr = said
	if command.Run() == nil {
		return ""
	}
	return said.String()
}

// login is the command by which a person reaches an SFTP repository's server by the program ssh, or one like it.
func login(program, location string) string {
	s, _ := serverOf(location)
	host := s.host
	if s.user != "" {
		host = s.user + "@" + host
	}
	if s.port != "" && s.port != "22" {
		program += " -p " + fault.Quote(s.port)
	}
	return program + " " + fault.Quote(host)
}

// hostOf is the host of a repository's address, with its port; the whole address where that is not known.
func hostOf(location string) string {
	if s, ok := serverOf(location); ok {
		if s.port == "" {
			return s.host
		}
		return net.JoinHostPort(s.host, s.port)
	}
	_, address, _ := strings.Cut(location, ":")
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return fault.Redact(location)
}

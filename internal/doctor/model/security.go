package model

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// securityRules are about what a service may do that it need not, and who can reach it.
var securityRules = []rule{
	modelRule("port.any", "a data store on every address of the machine", finding.Warning, cis+"5.14; "+composeDocs+
		"services/#ports", check.Asked, portAny),
	modelRule("secret.written", "a secret that is written in the Compose file", finding.Warning,
		"docs.docker.com/compose/how-tos/use-secrets/", check.NoFix, secretEnvironment),
	modelRule("build.secret-argument", "a secret in a build argument", finding.Warning,
		"docs.docker.com/build/building/secrets/", check.NoFix, buildSecretArgument),
	modelRule("socket.mounted", "the engine's socket in a container", finding.Warning, cis+"5.32", check.NoFix,
		socketMounted),
	modelRule("privileged.on", "a privileged container", finding.Warning, cis+"5.5", check.NoFix, privilegedOn),
	modelRule("capability.broad", "a capability that is as much as root of the machine", finding.Warning, cis+"5.4",
		check.NoFix, capabilityBroad),
	modelRule("namespace.host", "a namespace of the host", finding.Warning, cis+"5.10, 5.16, 5.17, 5.21, 5.31",
		check.NoFix, namespaceHost),
	modelRule("mount.system", "a directory of the host's system, mounted to be written", finding.Warning, cis+"5.6",
		check.NoFix, mountSystem),
	modelRule("confinement.off", "the kernel's confinement switched off", finding.Warning, cis+"5.2, 5.3, 5.22",
		check.NoFix, confinementOff),
}

// stores are the ports on which data stores and their like listen.
var stores = map[uint32]string{
	1433: "SQL Server", 1521: "Oracle", 2375: "Docker", 2379: "etcd", 3306: "MySQL", 5432: "PostgreSQL",
	5672: "RabbitMQ", 5984: "CouchDB", 6379: "Redis", 8086: "InfluxDB", 9042: "Cassandra", 9200: "Elasticsearch",
	11211: "memcached", 27017: "MongoDB",
}

func portAny(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		for _, p := range s.Ports {
			what := stores[p.Target]
			if what == "" || p.Published == "" || p.HostIP != "" && p.HostIP != "0.0.0.0" && p.HostIP != "::" {
				continue
			}
			f := check.Warn("port.any",
				`ports: "127.0.0.1:`+p.Published+`:…", or no port: services of one network need none`,
				"port %s of the host is %s's, and open on every address of the machine", p.Published, what).
				Of(s.Name).At(l.at(s.Name, "ports")).
				Because("Docker's own rules come before those of a firewall such as ufw")
			out = append(out, f.Edited(check.Asked, l.loopback(s.Name, p)...))
		}
	}
	return out
}

// loopback gives the edit that publishes a port of the short form on 127.0.0.1; none for another form.
func (l Look) loopback(service string, p types.ServicePortConfig) []check.Edit {
	list, _ := l.Files.Value("services", service, "ports")
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	for i, n := range list.Content {
		if n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "$") {
			continue
		}
		short, _, _ := strings.Cut(n.Value, "/")
		if short == p.Published+":"+itoa(p.Target) {
			return []check.Edit{{
				Path:  []string{"services", service, "ports", itoa(uint32(i))},
				Value: `"127.0.0.1:` + n.Value + `"`, Old: n.Value,
			}}
		}
	}
	return nil
}

// secretName is a name whose value is a secret, not where one is or how long.
var secretName = regexp.MustCompile(
	`(?i)(^|_)(PASSWORD|PASSWD|PASS|PWD|SECRET|SECRET_KEY|TOKEN|API_?KEY|PRIVATE_KEY|ACCESS_KEY|ENCRYPTION_KEY)$`)

// switches are values that say how, and are no secret themselves.
var switches = regexp.MustCompile(`(?i)^(|true|false|yes|no|on|off|none|null|[0-9])$`)

// token is a secret whatever its variable is called, by the form that its issuer gives it: keys of AWS, GitHub, GitLab,
// Slack, Stripe, Google, npm, OpenAI and Anthropic, JSON web tokens, and private keys.
var token = regexp.MustCompile(`^(AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{80,}|` +
	`glpat-[0-9A-Za-z_-]{20,}|xox[abprs]-[0-9A-Za-z-]{20,}|[rs]k_live_[0-9A-Za-z]{24,}|AIza[0-9A-Za-z_-]{35}|` +
	`npm_[0-9A-Za-z]{36}|sk-(proj-|ant-)?[0-9A-Za-z_-]{32,}|` +
	`eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,})$|-----BEGIN [A-Z ]*PRIVATE KEY-----`)

// literal says whether a text of a Compose file is a value by itself: no variable, and no path of a file.
func literal(text string) bool {
	return !switches.MatchString(text) && !strings.Contains(strings.ReplaceAll(text, "$$", ""), "$") &&
		!strings.HasPrefix(text, "/")
}

// secretIn says whether the value of a variable is or has a secret that is written out.
func secretIn(name, text string) bool {
	if !literal(text) {
		return false
	}
	if secretName.MatchString(name) || token.MatchString(text) {
		return true
	}
	if !strings.Contains(text, "://") {
		return false
	}
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	password, _ := u.User.Password()
	return password != ""
}

func secretEnvironment(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		var names []string
		var at []check.Place
		value, _ := l.Files.Value("services", s.Name, "environment")
		for name := range s.Environment {
			if text, place := l.written(value, s.Name, name); secretIn(name, text) {
				names, at = append(names, name), append(at, place)
			}
		}
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		slices.SortFunc(at, func(a, b check.Place) int { return a.Line - b.Line })
		out = append(out, check.Warn("secret.written",
			"secrets: in the Compose file, with "+names[0]+"_FILE where the image knows that; or ${"+names[0]+
				"} from .env",
			"the value of %s is written in the Compose file", strings.Join(names, ", ")).Of(s.Name).At(at...).
			Because("it is in the repository's history, and docker inspect shows it to whoever reaches the engine"))
	}
	return out
}

// written gives the text of a variable of a service as its Compose file has it, before variables are put in.
func (l Look) written(environment *yaml.Node, service, name string) (string, check.Place) {
	if environment == nil {
		return "", check.Place{}
	}
	if environment.Kind == yaml.MappingNode || environment.Kind == yaml.AliasNode {
		if _, v := source.Find(environment, name); v != nil {
			return v.Value, l.at(service, "environment", name)
		}
		return "", check.Place{}
	}
	_, place := l.Files.Value("services", service, "environment")
	for _, n := range environment.Content {
		if key, text, has := strings.Cut(n.Value, "="); has && key == name {
			return text, check.Place{File: place.File, Line: n.Line}
		}
	}
	return "", check.Place{}
}

func buildSecretArgument(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		if s.Build == nil {
			continue
		}
		for name, value := range s.Build.Args {
			if value == nil || *value == "" || !secretName.MatchString(name) || switches.MatchString(*value) {
				continue
			}
			out = append(out, check.Warn("build.secret-argument",
				"build.secrets in the Compose file, and RUN --mount=type=secret in the Dockerfile",
				"the build argument %s is a secret", name).Of(s.Name).At(l.at(s.Name, "build", "args", name)).
				Because("a build argument stays in the image's history, for whoever has the image"))
		}
	}
	return out
}

var sockets = []string{"docker.sock", "containerd.sock", "podman.sock", "crio.sock"}

func socketMounted(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && slices.Contains(sockets, path.Base(v.Source)) {
				out = append(out, check.Warn("socket.mounted", "a proxy that lets through only the requests it needs",
					"%s is mounted in it", v.Source).Of(s.Name).At(l.at(s.Name, "volumes")).
					Because("whoever is in the container is root of the machine; read_only changes nothing of that"))
			}
		}
	}
	return out
}

func privilegedOn(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		if s.Privileged {
			out = append(out, check.Warn("privileged.on", "cap_add and devices of what "+fault.Quote(s.Name)+" needs",
				"it is privileged").Of(s.Name).At(l.at(s.Name, "privileged")).
				Because("it has all devices and capabilities: whoever is in it is root of the machine"))
		}
	}
	return out
}

var broad = []string{
	"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_PTRACE", "SYS_BOOT", "DAC_READ_SEARCH", "BPF",
}

func capabilityBroad(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		var has []string
		for _, c := range s.CapAdd {
			if c = strings.TrimPrefix(strings.ToUpper(c), "CAP_"); slices.Contains(broad, c) {
				has = append(has, c)
			}
		}
		if len(has) > 0 {
			out = append(out, check.Warn("capability.broad", "only the capabilities that it needs",
				"cap_add has %s", strings.Join(has, ", ")).Of(s.Name).At(l.at(s.Name, "cap_add")).
				Because("with that a process gets out of its container"))
		}
	}
	return out
}

func namespaceHost(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		for _, key := range []struct{ name, value string }{
			{"pid", s.Pid}, {"ipc", s.Ipc}, {"uts", s.Uts}, {"userns_mode", s.UserNSMode},
		} {
			if key.value == "host" {
				out = append(out, check.Warn("namespace.host", "leave "+key.name+" out",
					"%s: host shares the machine's own", key.name).Of(s.Name).At(l.at(s.Name, key.name)))
			}
		}
		if s.NetworkMode == "host" {
			out = append(out, check.Tell("namespace.host", "a network of the project, and ports",
				"network_mode: host gives it every address and port of the machine").Of(s.Name).
				At(l.at(s.Name, "network_mode")))
		}
	}
	return out
}

var systemDirs = []string{
	"/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr", "/var/lib/docker", "/var/run", "/run",
}

func mountSystem(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !v.ReadOnly && slices.Contains(systemDirs, path.Clean(v.Source)) {
				out = append(out, check.Warn("mount.system", "mount it :ro, or a part of it",
					"it may write to %s of the machine", path.Clean(v.Source)).Of(s.Name).At(l.at(s.Name, "volumes")))
			}
		}
	}
	return out
}

func confinementOff(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		for _, o := range s.SecurityOpt {
			name, value, _ := strings.Cut(strings.ReplaceAll(o, "=", ":"), ":")
			if value == "unconfined" && (name == "seccomp" || name == "apparmor") || o == "label:disable" ||
				o == "label=disable" {
				out = append(out, check.Warn("confinement.off", "a profile that allows what it needs",
					"security_opt has %s", o).Of(s.Name).At(l.at(s.Name, "security_opt")))
			}
		}
	}
	return out
}

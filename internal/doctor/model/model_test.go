package model

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	image "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/client"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/edit"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
)

// look reads a Compose file's text; the engine has the images.
func look(t *testing.T, text string, images subject.Images) Look {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "compose.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := compose.Load(t.Context(), compose.Request{Dir: dir})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return Look{Project: m.Project, Files: source.Read(m.Files), Images: images}
}

func imageOf(config image.DockerOCIImageConfig) client.ImageInspectResult {
	var r client.ImageInspectResult
	r.Config = &config
	return r
}

// text is a Compose file that a rule finds something in, and one in which it finds nothing.
type text struct {
	id            string
	fires, silent string
	want          string // of what is found: services, evidence and line
	images        subject.Images
}

var (
	plainImage   = imageOf(image.DockerOCIImageConfig{})
	checkedImage = imageOf(image.DockerOCIImageConfig{DockerOCIImageConfigExt: image.DockerOCIImageConfigExt{
		Healthcheck: &image.HealthcheckConfig{Test: []string{"CMD", "x"}},
	}})
	storeImage = imageOf(image.DockerOCIImageConfig{ImageConfig: v1.ImageConfig{
		Volumes: map[string]struct{}{"/var/lib/mysql": {}}, User: "mysql",
	}})
)

var texts = []text{
	{
		id:     "restart.missing",
		fires:  "services:\n  a:\n    image: x\n    ports: ['80']\n",
		silent: "services:\n  a: {image: x, ports: ['80'], restart: 'no'}\n  b: {image: x}\n",
		want:   "a: it publishes ports, and no restart policy starts it again [2]",
	},
	{
		id: "depends.early",
		fires: "services:\n  a:\n    image: x\n    depends_on: [b, c]\n" +
			"  b: {image: x, healthcheck: {test: [CMD, x]}}\n  c: {image: x}\n",
		silent: "services:\n  a: {image: x, depends_on: {b: {condition: service_healthy}}}\n" +
			"  b: {image: x, healthcheck: {test: [CMD, x]}}\n  c: {image: x, depends_on: [a]}\n",
		want: "a: it starts once b started, not once healthy, though there is a health check [4]",
	},
	{
		id: "network.apart",
		fires: "services:\n  a:\n    image: x\n    environment:\n      DSN: 'postgres://u@db/x'\n    networks: " +
			"[front]\n" +
			"  db: {image: x, networks: [back]}\nnetworks: {front: , back: }\n",
		silent: "services:\n  a: {image: x, environment: {DSN: 'postgres://u@db/x', LOG: db}, networks: [front, " +
			"back]}\n" +
			"  b: {image: x, environment: {DB: 'db'}, networks: [front]}\n" +
			"  c: {image: x, environment: {DB: 'db:5432'}, network_mode: host}\n" +
			"  d: {image: x, environment: {DB: 'db:5432'}, networks: [out]}\n" +
			"  e: {image: x, environment: {DB: 'db:5432'}, networks: [front], extra_hosts: ['db:10.0.0.1']}\n" +
			"  db: {image: x, networks: [back]}\nnetworks: {front: , back: , out: {external: true}}\n",
		want: "a: its variable DSN has the address of db, and the two share no network [5 6]",
	},
	{
		id:     "port.twice",
		fires:  "services:\n  a: {image: x, ports: ['80:80']}\n  b: {image: x, ports: ['127.0.0.1:80:81']}\n",
		silent: "services:\n  a: {image: x, ports: ['80:80', '9-10:9']}\n  b: {image: x, ports: ['80:8/udp', '80']}\n",
		want:   "a,b: both publish port 80/tcp of the host [3 2]",
	},
	{
		id:     "port.replicas",
		fires:  "services:\n  a:\n    image: x\n    ports: ['80:80']\n    deploy: {replicas: 2}\n",
		silent: "services:\n  a: {image: x, ports: ['80-81:80'], scale: 2}\n  b: {image: x, ports: ['90:90']}\n",
		want:   "a: 2 replicas want port 80 of the host, and one can have it [4]",
	},
	{
		id:     "tmpfs.unbounded",
		fires:  "services:\n  a:\n    image: x\n    tmpfs: [/tmp]\n",
		silent: "services:\n  a: {image: x, tmpfs: ['/tmp:size=1m']}\n  b: {image: x, tmpfs: [/tmp], mem_limit: 9m}\n",
		want:   "a: nothing bounds the tmpfs at /tmp [4]",
	},
	{
		id:     "port.any",
		fires:  "services:\n  a:\n    image: x\n    ports: ['15432:5432']\n",
		silent: "services:\n  a: {image: x, ports: ['127.0.0.1:5432:5432', '80:80', '6379']}\n",
		want:   "a: port 15432 of the host is PostgreSQL's, and open on every address of the machine [4]",
	},
	{
		id: "secret.written",
		fires: "services:\n  a:\n    image: x\n    environment:\n      DB_PASSWORD: hunter2\n" +
			"      DSN: 'postgres://u:p@db/x'\n      HOST: db\n",
		silent: "services:\n  a:\n    image: x\n    environment: ['DB_PASSWORD=${P:-x}', DB_PASSWORD_FILE=/run/x, " +
			"'ALLOW_EMPTY_PASSWORD=yes', 'URL=http://x/', TOKEN=]\n",
		want: "a: the value of DB_PASSWORD, DSN is written in the Compose file [5 6]",
	},
	{
		id:     "build.secret-argument",
		fires:  "services:\n  a:\n    build:\n      context: .\n      args:\n        NPM_TOKEN: abc\n",
		silent: "services:\n  a: {build: {context: ., args: {VERSION: '1', TOKEN: }}}\n",
		want:   "a: the build argument NPM_TOKEN is a secret [6]",
	},
	{
		id:     "socket.mounted",
		fires:  "services:\n  a: {image: x, volumes: ['/var/run/docker.sock:/s:ro']}\n",
		silent: "services:\n  a: {image: x, volumes: ['/srv/x.sock:/s', 'docker.sock:/v']}\nvolumes: {docker.sock: }\n",
		want:   "a: /var/run/docker.sock is mounted in it [2]",
	},
	{
		id:     "privileged.on",
		fires:  "services:\n  a:\n    image: x\n    privileged: true\n",
		silent: "services:\n  a: {image: x, privileged: false}\n",
		want:   "a: it is privileged [4]",
	},
	{
		id:     "capability.broad",
		fires:  "services:\n  a: {image: x, cap_add: [CAP_SYS_ADMIN, NET_ADMIN]}\n",
		silent: "services:\n  a: {image: x, cap_add: [NET_ADMIN], cap_drop: [ALL]}\n",
		want:   "a: cap_add has SYS_ADMIN [2]",
	},
	{
		id:     "namespace.host",
		fires:  "services:\n  a:\n    image: x\n    pid: host\n    network_mode: host\n",
		silent: "services:\n  a: {image: x, ipc: shareable}\n  b: {image: x, pid: 'service:a', network_mode: none}\n",
		want: "a: pid: host shares the machine's own [4]\n" +
			"a: network_mode: host gives it every address and port of the machine [5]",
	},
	{
		id:     "mount.system",
		fires:  "services:\n  a: {image: x, volumes: ['/etc/:/h']}\n",
		silent: "services:\n  a: {image: x, volumes: ['/etc:/h:ro', '/etc/localtime:/l', '/srv:/s']}\n",
		want:   "a: it may write to /etc of the machine [2]",
	},
	{
		id:     "confinement.off",
		fires:  "services:\n  a: {image: x, security_opt: ['seccomp=unconfined']}\n",
		silent: "services:\n  a: {image: x, security_opt: ['no-new-privileges:true', 'apparmor:mine']}\n",
		want:   "a: security_opt has seccomp=unconfined [2]",
	},
	{
		id:    "variable.unset",
		fires: "services:\n  a:\n    image: x\n    command: 'run ${NO_SUCH_VARIABLE} $NO_SUCH_OTHER'\n",
		silent: "services:\n  a: {image: 'x:${NO_SUCH_VARIABLE:-1}', command: 'a ${PATH} $$HOME ${NO_SUCH_VARIABLE-} " +
			"${NO_SUCH_VARIABLE:+x}'}\n",
		want: ": the variable NO_SUCH_OTHER is not set, and an empty text stands in its place [4]\n" +
			": the variable NO_SUCH_VARIABLE is not set, and an empty text stands in its place [4]",
	},
	{
		id:     "image.floating",
		fires:  "services:\n  a: {image: x}\n  b: {image: 'x'}\n",
		silent: "services:\n  a: {image: 'x:1'}\n  b: {build: ., image: x}\n  c: {image: 'x@sha256:" + digest + "'}\n",
		want:   "a,b: x is whatever its publisher made last [2 3]",
	},
	{
		id:     "declared.unused",
		fires:  "services:\n  a: {image: x, volumes: ['vol:/v']}\nvolumes:\n  vol:\n  w:\nsecrets:\n  s: {file: ./s}\n",
		silent: "services:\n  a: {image: x, profiles: [p], volumes: ['vol:/v']}\n  b: {image: x}\nvolumes: {vol: }\n",
		want: ": secrets.s is declared, and no service uses it [7]\n" +
			": volumes.w is declared, and no service uses it [5]",
	},
	{
		id:     "file.version",
		fires:  "# old\nversion: '3.8'\nservices:\n  a: {image: x}\n",
		silent: "services:\n  a: {image: x, labels: {version: '3'}}\n",
		want:   ": the key version has no meaning any more, and docker compose warns of it [2]",
	},
	{
		id: "health.missing",
		fires: "services:\n  a: {image: plain, depends_on: [b]}\n  b: {image: plain}\n" +
			"  c: {image: plain, ports: ['80']}\n",
		silent: "services:\n  a: {image: plain, depends_on: [b]}\n  b: {image: checked}\n" +
			"  c: {image: plain, ports: ['80'], healthcheck: {disable: true}}\n",
		want: "b: others depend on it (a), and neither it nor its image has a health check [3]\n" +
			"c: it publishes ports, and neither it nor its image has a health check [4]",
		images: subject.Images{"plain": plainImage, "checked": checkedImage},
	},
	{
		id:    "volume.anonymous",
		fires: "services:\n  a: {image: store}\n",
		silent: "services:\n  a: {image: store, volumes: ['vol:/var/lib/mysql']}\n  b: {image: plain}\n" +
			"volumes: {vol: }\n",
		want:   "a: the image keeps data in /var/lib/mysql, and no volume with a name is mounted there [2]",
		images: subject.Images{"store": storeImage, "plain": plainImage},
	},
	{
		id:     "user.root",
		fires:  "services:\n  a: {image: plain}\n  b: {image: store, user: '0:5'}\n",
		silent: "services:\n  a: {image: plain, user: '5'}\n  b: {image: store}\n",
		want:   "a,b: no other user is named, in the Compose file or the image [2 3]",
		images: subject.Images{"store": storeImage, "plain": plainImage},
	},
}

const digest = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

// said is what findings say, a line each: services, evidence, and the lines of the Compose file.
func said(all []check.Finding) string {
	var lines []string
	for _, f := range all {
		var at []string
		for _, p := range f.Places {
			_, line, _ := strings.Cut(p.String(), ".yaml:")
			at = append(at, line)
		}
		lines = append(lines, strings.Join(f.Subjects, ",")+": "+f.Evidence+" ["+strings.Join(at, " ")+"]")
	}
	return strings.Join(lines, "\n")
}

func TestRules(t *testing.T) {
	left, held := map[string]rule{}, map[string]fixture.Fixture{}
	for _, r := range slices.Concat(plain, imageRules) {
		left[r.ID] = r
	}
	for _, f := range texts {
		t.Run(f.id, func(t *testing.T) {
			r, known := left[f.id]
			if !known {
				t.Fatal("there is no such rule, or it has two fixtures")
			}
			delete(left, f.id)
			found, nothing := r.look(look(t, f.fires, f.images)), r.look(look(t, f.silent, f.images))
			held[f.id] = fixture.Of(found, nothing)
			if got := said(found); got != f.want {
				t.Errorf("got\n%s\nwant\n%s", got, f.want)
			}
			for _, x := range found {
				if x.ID != f.id || x.Severity > r.Worst || x.Remedy == "" {
					t.Errorf("%+v of %+v", x, r.Rule)
				}
				if (x.Fix != check.NoFix) != (len(x.Edits) > 0) || x.Fix != r.Fix && x.Fix != check.NoFix {
					t.Errorf("fix %q with %d edits of %+v", x.Fix, len(x.Edits), r.Rule)
				}
			}
		})
	}
	var rules []check.Rule
	for _, c := range Checks() {
		rules = append(rules, c.Rules...)
	}
	fixture.Hold(t, rules, held)
}

func TestTokens(t *testing.T) {
	for text, want := range map[string]bool{
		"AKIAIOSFODNN7EXAMPLE": true, "ghp_" + strings.Repeat("a", 36): true, "glpat-" + strings.Repeat("x", 20): true,
		"-----BEGIN RSA PRIVATE KEY-----\nabc": true, "sk_live_" + strings.Repeat("4", 24): true,
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl":            true,
		"5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef": false, "AKIA": false, "sk-learn": false,
		"550e8400-e29b-41d4-a716-446655440000": false, "-----BEGIN CERTIFICATE-----": false, "${TOKEN}": false,
	} {
		if got := secretIn("SETTING", text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestHosts(t *testing.T) {
	for text, want := range map[string]string{
		"db:5432": "db", "postgres://u:p@db:5432/x": "db", "http://web/x": "web", "amqp://mq": "mq",
		"a:9092,b:9092": "a b", "db": "", "redis:7": "", "/var/db:ro": "",
		"http://db.example.org/": "db.example.org",
	} {
		if got := strings.Join(hosts(text), " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestFixesRemoveTheirFindings makes the edits of every fixture that has some, and looks again.
func TestFixesRemoveTheirFindings(t *testing.T) {
	fixed := map[string]bool{}
	for _, f := range texts {
		i := slices.IndexFunc(slices.Concat(plain, imageRules), func(r rule) bool { return r.ID == f.id })
		r := slices.Concat(plain, imageRules)[i]
		text := []byte(f.fires)
		for _, x := range r.look(look(t, f.fires, f.images)) {
			for _, e := range x.Edits {
				var err error
				if text, err = edit.Apply(text, e); err != nil {
					t.Errorf("%s: %v", f.id, err)
				}
				fixed[f.id] = true
			}
		}
		if left := r.look(look(t, string(text), f.images)); fixed[f.id] && len(left) > 0 {
			t.Errorf("%s is still found, %s, in\n%s", f.id, said(left), text)
		}
	}
	for _, r := range slices.Concat(plain, imageRules) {
		if r.Fix != check.NoFix && !fixed[r.ID] {
			t.Errorf("no fixture of %s is fixed", r.ID)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	l := look(t, "services:\n  a: {image: x, environment: {DB_PASSWORD: hunter2, U: 'http://u:hunter2@h/'}}\n", nil)
	for _, f := range secretEnvironment(l) {
		if strings.Contains(f.Evidence+f.Remedy+f.Cause, "hunter2") {
			t.Errorf("%+v", f)
		}
	}
}

func TestImagesThatAreNotThereAreSaid(t *testing.T) {
	l := look(t, "services:\n  a: {image: plain}\n  b: {image: gone}\n", subject.Images{"plain": plainImage})
	if err := l.imagesMissing(); err == nil || err.Error() != "the engine does not have the images of b" {
		t.Errorf("got %v", err)
	}
}

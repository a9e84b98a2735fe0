//go:build integration

package restore

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// database is one kind of server, on the volume at /data.
type database struct {
	name  string // of its recipe
	start string // makes the database where there is none, and becomes the server
	ask   string // runs SQL that is its standard input, and prints values alone
	load  string // runs SQL that is its standard input, each statement in a transaction of its own
}

var databases = map[string]database{
	"PostgreSQL": {
		name: "postgres",
		start: `chown -R postgres /data; cd /data; export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
[ -e PG_VERSION ] || $as initdb -N --wal-segsize=8 -D /data -A trust >/dev/null
exec $as postgres -D /data -k /tmp -c min_wal_size=16MB -c max_wal_size=32MB`,
		ask:  `psql -qAtX -h /tmp -U postgres postgres`,
		load: `psql -qX -h /tmp -U postgres postgres`,
	},
	"MariaDB": {
		name: "mysql",
		start: `mkdir -p /run/mysqld; chown -R mysql /data /run/mysqld
[ -e /data/mysql ] ||
mariadb-install-db --user=mysql --datadir=/data --auth-root-authentication-method=normal \
  --innodb-log-file-size=8M >/dev/null
exec mariadbd --user=mysql --datadir=/data --skip-networking --innodb-log-file-size=8M`,
		ask:  `mariadb -N -u root -D test`,
		load: `mariadb -u root -D test`,
	},
}

// server runs a database on a volume, by its full name, and waits until it answers.
func (f *fixture) server(service, volume string, d database) string {
	f.t.Helper()
	id := enginetest.Container(f.t, f.engine, f.name+"-"+service+"-1", &moby.Config{
		Image: testImage(f.t), User: "0", Cmd: []string{"sh", "-ec", d.start},
		Env:    []string{"PGHOST=/tmp"}, // where the recipe finds it
		Labels: enginetest.Labels(f.name, service, "False"),
	}, &moby.HostConfig{
		Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: volume, Target: "/data"}},
	}, true)
	enginetest.Until(f.t, time.Minute, service+" answers", func() bool {
		text, err := f.sql(id, d, "select 1;")
		return err == nil && text == "1"
	})
	return id
}

func (f *fixture) sql(id string, d database, text string) (string, error) {
	done, err := engine.Exec(context.Background(), f.engine, id, []string{"sh", "-c", "echo '" + text + "' | " + d.ask})
	if err == nil && done.Code != 0 {
		err = fmt.Errorf("exit code %d: %s", done.Code, done.Stderr)
	}
	return strings.TrimSpace(done.Stdout), err
}

// counted says how many numbers the table has, which are all from 1 on.
func (f *fixture) counted(id string, d database) int {
	f.t.Helper()
	text, err := f.sql(id, d, "select count(*), coalesce(max(n),0), count(distinct n) from t;")
	f.must(err)
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == '|' || r == '\t' })
	if len(fields) != 3 || fields[0] != fields[1] || fields[0] != fields[2] {
		f.t.Fatalf("the table has a gap: %q", text)
	}
	n, err := strconv.Atoi(fields[0])
	f.must(err)
	return n
}

// dumping is what a service of the project says to be saved by a dump.
const dumping = ", x-compose-mage: {backup: dump}"

// databasesFile is a project of all the databases, each with its own volume.
func databasesFile(also string) string {
	services, volumes := "services:\n", "volumes:\n"
	for _, d := range databases {
		services += "  " + d.name + ": {image: d, volumes: ['" + d.name + ":/data']" + also + "}\n"
		volumes += "  " + d.name + ": {}\n"
	}
	return services + volumes
}

// TestIntegrationDatabasesUnderLoad backs databases of one project up while they commit, BACKUPS times: each restore
// starts, and has a prefix without a gap with all that was committed when the backup began.
func TestIntegrationDatabasesUnderLoad(t *testing.T) {
	f := newFixture(t, databasesFile(""))
	ids := map[string]string{}
	for name, d := range databases {
		f.volume(d.name)
		id := f.server(d.name, f.name+"_"+d.name, d)
		ids[d.name] = id
		if name == "MariaDB" {
			_, err := engine.Exec(t.Context(), f.engine, id, []string{
				"mariadb", "-uroot", "-e", "create database if not exists test",
			})
			f.must(err)
		}
		_, err := f.sql(id, d, "create table t (n bigint);")
		f.must(err)
		p, err := engine.StartExec(t.Context(), f.engine, id, []string{
			"sh", "-c", numbered("insert into t values (%.0f);", 20) + " | " + d.load,
		}, false)
		f.must(err)
		defer p.Close()
	}
	for i := range count(t, "BACKUPS", 5) {
		time.Sleep(time.Second)
		before := map[string]int{}
		for _, d := range databases {
			before[d.name] = f.counted(ids[d.name], d)
		}
		b := f.backup()
		r := f.restore(Options{})
		for name, d := range databases {
			at := slices.IndexFunc(r.Volumes, func(v RestoredVolume) bool { return v.Key == d.name })
			restored := f.server(fmt.Sprint("restored", i, d.name), r.Volumes[at].Name, d)
			n := f.counted(restored, d)
			t.Logf("%s: frozen %.2fs: %d rows came back, and %d were there before", name, b.Frozen, n, before[d.name])
			if n < before[d.name] || before[d.name] == 0 {
				t.Errorf("%s: rows are missing", name)
			}
			f.must(removed(f, restored))
		}
	}
	f.dumped(ids)
}

// dumped has the databases give dumps in place of their files, and reads each into an empty server, by the command that
// a restore names.
func (f *fixture) dumped(ids map[string]string) {
	f.t.Helper()
	f.write("compose.yaml", databasesFile(dumping))
	before := map[string]int{}
	for _, d := range databases {
		before[d.name] = f.counted(ids[d.name], d)
	}
	f.backup()
	r := f.restore(Options{})
	if len(r.Dumps) != len(databases) {
		f.t.Fatalf("%+v\n%s", r, f.out.String())
	}
	for name, d := range databases {
		at := slices.IndexFunc(r.Dumps, func(path string) bool { return filepath.Base(filepath.Dir(path)) == d.name })
		if at < 0 || !strings.Contains(f.out.String(), "exec -T "+d.name+" "+loads[d.name]+" <"+r.Dumps[at]) {
			f.t.Fatalf("%s: %+v\n%s", name, r, f.out.String())
		}
		volume := f.volume("empty-" + d.name)
		empty := f.server("empty-"+d.name, f.name+"_empty-"+d.name, d)
		f.must(copyFile(r.Dumps[at], filepath.Join(volume, "dump.sql")))
		done, err := engine.Exec(context.Background(), f.engine, empty, []string{
			"sh", "-c", loads[d.name] + " </data/dump.sql",
		})
		if err != nil || done.Code != 0 {
			f.t.Fatalf("%s: reading the dump: %v, exit code %d: %s", name, err, done.Code, done.Stderr)
		}
		n := f.counted(empty, d)
		f.t.Logf("%s: %d rows came back of the dump, and %d were there before", name, n, before[d.name])
		if n < before[d.name] {
			f.t.Errorf("%s: rows are missing in the dump", name)
		}
	}
}

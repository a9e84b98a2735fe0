//go:build integration

package restore

import (
	"context"
	"fmt"
	"path/filepath"
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
	load  string // numbers from 1 on into the table t, each in a transaction of its own
}

var databases = map[string]database{
	"PostgreSQL": {
		name: "postgres",
		start: `chown -R postgres /data; cd /data; export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
[ -e PG_VERSION ] || setpriv --reuid=postgres --regid=postgres --clear-groups initdb -D /data -A trust >/dev/null
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -D /data -k /tmp -c max_wal_size=64MB`,
		ask:  `psql -qAtX -h /tmp -U postgres postgres`,
		load: `seq -f 'insert into t values (%.0f);' 1 100000000 | psql -qX -h /tmp -U postgres postgres`,
	},
	"MariaDB": {
		name: "mysql",
		start: `mkdir -p /run/mysqld; chown -R mysql /data /run/mysqld
[ -e /data/mysql ] ||
mariadb-install-db --user=mysql --datadir=/data --auth-root-authentication-method=normal >/dev/null
exec mariadbd --user=mysql --datadir=/data --skip-networking`,
		ask:  `mariadb -N -u root -D test`,
		load: `seq -f 'insert into t values (%.0f);' 1 100000000 | mariadb -u root -D test`,
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

// TestIntegrationDatabasesUnderLoad backs databases up while they commit as fast as they can, BACKUPS times: each
// restore starts, and has a prefix without a gap with all that was committed when the backup began.
func TestIntegrationDatabasesUnderLoad(t *testing.T) {
	for name, d := range databases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "services: {db: {image: d, volumes: ['data:/data']}}\nvolumes: {data: {}}\n")
			f.volume("data")
			id := f.server("db", f.name+"_data", d)
			if name == "MariaDB" {
				_, err := engine.Exec(t.Context(), f.engine, id, []string{
					"mariadb", "-uroot", "-e", "create database if not exists test",
				})
				f.must(err)
			}
			_, err := f.sql(id, d, "create table t (n bigint);")
			f.must(err)
			p, err := engine.StartExec(t.Context(), f.engine, id, []string{"sh", "-c", d.load}, false)
			f.must(err)
			defer p.Close()
			for i := range count(t, "BACKUPS", 5) {
				time.Sleep(time.Second)
				before := f.counted(id, d)
				b := f.backup()
				r := f.restore(Options{})
				restored := f.server(fmt.Sprint("restored", i), r.Volumes[0].Name, d)
				n := f.counted(restored, d)
				t.Logf("frozen %.2fs: %d rows came back, and %d were there before", b.Frozen, n, before)
				if n < before || before == 0 {
					t.Error("rows are missing")
				}
				f.must(removed(f, restored))
			}
			f.dumped(id, d)
		})
	}
}

// dumped has the database give a dump in place of its files, and reads it into an empty server, by the command that a
// restore names.
func (f *fixture) dumped(id string, d database) {
	f.t.Helper()
	f.write("compose.yaml", "services: {db: {image: d, volumes: ['data:/data'], x-compose-mage: {backup: dump}}}\n"+
		"volumes: {data: {}}\n")
	before := f.counted(id, d)
	f.backup()
	r := f.restore(Options{})
	if len(r.Dumps) != 1 || !strings.Contains(f.out.String(), "exec -T db "+loads[d.name]+" <"+r.Dumps[0]) {
		f.t.Fatalf("%+v\n%s", r, f.out.String())
	}
	volume := f.volume("empty")
	empty := f.server("empty", f.name+"_empty", d)
	f.must(copyFile(r.Dumps[0], filepath.Join(volume, "dump.sql")))
	done, err := engine.Exec(context.Background(), f.engine, empty, []string{
		"sh", "-c", loads[d.name] + " </data/dump.sql",
	})
	if err != nil || done.Code != 0 {
		f.t.Fatalf("reading the dump: %v, exit code %d: %s", err, done.Code, done.Stderr)
	}
	n := f.counted(empty, d)
	f.t.Logf("%d rows came back of the dump, and %d were there before", n, before)
	if n < before {
		f.t.Error("rows are missing in the dump")
	}
}

//go:build integration

package restore

import (
	"context"
	"fmt"
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
	start string // makes the database where there is none, and becomes the server
	ask   string // runs SQL that is its standard input, and prints values alone
	load  string // numbers from 1 on into the table t, each in a transaction of its own
}

var databases = map[string]database{
	"PostgreSQL": {
		start: `chown -R postgres /data; cd /data; export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
[ -e PG_VERSION ] || setpriv --reuid=postgres --regid=postgres --clear-groups initdb -D /data -A trust >/dev/null
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -D /data -k /tmp -c max_wal_size=64MB`,
		ask:  `psql -qAtX -h /tmp -U postgres postgres`,
		load: `seq -f 'insert into t values (%.0f);' 1 100000000 | psql -qX -h /tmp -U postgres postgres`,
	},
	"MariaDB": {
		start: `chown -R mysql /data
[ -e /data/mysql ] ||
mariadb-install-db --user=mysql --datadir=/data --auth-root-authentication-method=normal >/dev/null
exec mariadbd --user=mysql --datadir=/data --socket=/tmp/s --skip-networking`,
		ask:  `mariadb -N -S /tmp/s -u root -D test`,
		load: `seq -f 'insert into t values (%.0f);' 1 100000000 | mariadb -S /tmp/s -u root -D test`,
	},
}

// server runs a database on a volume, by its full name, and waits until it answers.
func (f *fixture) server(service, volume string, d database) string {
	f.t.Helper()
	id := enginetest.Container(f.t, f.engine, f.name+"-"+service+"-1", &moby.Config{
		Image: testImage(f.t), User: "0", Cmd: []string{"sh", "-ec", d.start},
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
					"mariadb", "-S", "/tmp/s", "-uroot", "-e", "create database if not exists test",
				})
				f.must(err)
			}
			_, err := f.sql(id, d, "create table t (n bigint);")
			f.must(err)
			p, err := engine.StartExec(t.Context(), f.engine, id, []string{"sh", "-c", d.load}, false)
			f.must(err)
			defer p.Close()
			for i := range count(t, "BACKUPS", 2) {
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
		})
	}
}

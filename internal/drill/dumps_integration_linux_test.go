//go:build integration

package drill

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// servers are two databases that are saved by a dump, and the drill's own command, which asks one of them.
const servers = `
services:
  one:
    image: 25eloquence-test/backup
    user: "0"
    entrypoint: [sh, -ec]
    command:
      - |
        chown -R postgres /data; cd /data; export PATH=$$PATH:$$(echo /usr/lib/postgresql/*/bin)
        as="setpriv --reuid=postgres --regid=postgres --clear-groups"
        [ -e PG_VERSION ] || $$as initdb -N -D /data -A trust >/dev/null
        exec $$as postgres -D /data -k /tmp
    environment: {PGHOST: /tmp}
    volumes: [one:/data]
    healthcheck: {test: [CMD, psql, -qtU, postgres, -c, select 1], interval: 1s, retries: 60}
    x-compose-mage: {backup: dump}
  two:
    image: 25eloquence-test/backup
    user: "0"
    entrypoint: [sh, -ec]
    command:
      - |
        mkdir -p /run/mysqld; chown -R mysql /data /run/mysqld
        [ -e /data/mysql ] ||
        mariadb-install-db --user=mysql --datadir=/data --auth-root-authentication-method=normal >/dev/null
        exec mariadbd --user=mysql --datadir=/data --skip-networking
    volumes: [two:/data]
    healthcheck: {test: [CMD, mariadb, -uroot, -e, select 1], interval: 1s, retries: 60}
    x-compose-mage: {backup: dump}
volumes: {one: {}, two: {}}
x-compose-mage:
  backup:
    drill: {service: one, command: [psql, -qAtU, postgres, -c, "select n / (n - 7) from t"], timeout: 20s}
`

// The dumps of PostgreSQL and MariaDB are read into empty ones, and the project's own command asks what came of it.
func TestIntegrationDrillReadsDumps(t *testing.T) {
	f := bareFixture(t)
	f.must(os.WriteFile("compose.yaml", []byte(servers), 0o600))
	f.must(lifecycle.Start(t.Context(), f.engine, f.model().Project, lifecycle.StartOptions{Out: ui.New(&f.said)}))
	f.in("one", "psql", "-qU", "postgres", "-c", "create table t as select 9 as n")
	f.in("two", "mariadb", "-uroot", "-e", "create database d; create table d.t (n int); insert into d.t values (9)")
	f.save()
	o := Options{
		Engine: f.engine, Out: ui.New(&f.said), Target: f.target(), Project: f.name, Timeout: time.Minute,
	}
	plan, err := Prepare(t.Context(), o)
	f.must(err)
	var printed bytes.Buffer
	plan.Print(ui.New(&printed))
	for _, want := range []string{"its dump", "psql -qAtU postgres", "no drill was good yet", "disk: "} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q is not in the plan:\n%s", want, printed.String())
		}
	}
	f.nothingLeft()
	result, err := Run(t.Context(), o)
	f.must(err)
	// PostgreSQL's tables, columns and roles, and MariaDB's tables and columns of two databases.
	if !slices.Equal(result.Dumps, []string{"one", "two"}) || result.Facts < 7 || len(result.Volumes) > 0 {
		t.Errorf("%+v\n%s", result, f.said.String())
	}
	f.nothingLeft()
	if plan, err = Prepare(t.Context(), o); err != nil || plan.LastSeconds == 0 || plan.Last.IsZero() {
		t.Errorf("after a drill: %v, %+v", err, plan)
	}
	// Facts do not see rows; the command does.
	f.in("one", "psql", "-qU", "postgres", "-c", "update t set n = 7")
	d := &drill{Options: o, project: f.model().Project}
	if err := d.smoke(t.Context()); err == nil || !strings.Contains(err.Error(), "drill: psql failed") {
		t.Errorf("wrong rows: %v", err)
	}
}

// in runs a command in a service's container.
func (f *fixture) in(service string, words ...string) {
	f.Helper()
	found, err := container.Inspect(f.Context(), f.engine, f.name, service)
	f.must(err)
	done, err := engine.Exec(f.Context(), f.engine, found[service][0].ID, words)
	f.must(err)
	if done.Code != 0 {
		f.Fatalf("%v: %s%s", words, done.Stdout, done.Stderr)
	}
}

// nothingLeft fails where something of a drill is left.
func (f *fixture) nothingLeft() {
	f.Helper()
	mine := make(client.Filters).Add("label", label+"="+f.name)
	left, err := f.engine.ContainerList(f.Context(), client.ContainerListOptions{All: true, Filters: mine})
	f.must(err)
	volumes, err := f.engine.VolumeList(f.Context(), client.VolumeListOptions{Filters: mine})
	f.must(err)
	if len(left.Items)+len(volumes.Items) > 0 {
		f.Errorf("left: %v, %v", left.Items, volumes.Items)
	}
	if dir, _ := snapshots.Dir(f.name); dir != "" {
		if _, err := os.Stat(dir + "/drill"); !snapshots.NotThere(err) {
			f.Errorf("the files of the drill are left: %v", err)
		}
	}
}

package backup

import (
	"path"
	"slices"
	"strings"
)

// recipe is what is known of saving a kind of program, which its image's name or its program tells.
type recipe struct {
	name     string
	words    []string // of the last part of the image's name
	programs []string
	before   []string // has the program write down what it keeps in memory; nil where its files are whole at any moment
	dump     []string // prints all its data
	file     string   // what the dump is called
	facts    []string // prints what its data holds, which a drill compares; nil where nothing is known to
}

// shell runs a script by the container's shell.
func shell(script string) []string { return []string{"sh", "-c", script} }

// The scripts read a password where the images of these programs have it: in a variable, or in a file that a variable
// names. It is in no argument.
const (
	redisLogin = `cli=redis-cli; command -v $cli >/dev/null || cli=valkey-cli
[ -n "$REDISCLI_AUTH" ] || [ -z "$REDIS_PASSWORD_FILE" ] || REDISCLI_AUTH=$(cat "$REDIS_PASSWORD_FILE")
[ -n "$REDISCLI_AUTH" ] || REDISCLI_AUTH=$REDIS_PASSWORD
[ -n "$REDISCLI_AUTH" ] || [ ! -r /run/secrets/redis_password ] || REDISCLI_AUTH=$(cat /run/secrets/redis_password)
if [ -n "$REDISCLI_AUTH" ]; then export REDISCLI_AUTH; else unset REDISCLI_AUTH; fi
`
	// With an append-only file the files are whole at any moment; without one, what redis has not saved is in memory.
	redisSave = redisLogin + `$cli config get appendonly | grep -q yes && exit 0
said=$($cli bgsave) || exit 1
case "$said" in *started*|*scheduled*|*already*) ;; *) echo "$said" >&2; exit 1 ;; esac
while $cli info persistence | grep -q rdb_bgsave_in_progress:1; do sleep 0.1; done
$cli info persistence | grep -q rdb_last_bgsave_status:ok`
	redisDump = redisLogin + `exec $cli --rdb -`

	// Keys that expire are left out: some are gone when the data is looked at again. A redis that still reads its data
	// answers a ping already.
	redisFacts = redisLogin + `while $cli info persistence | grep -q '^loading:1'; do sleep 0.1; done
$cli info keyspace | tr -d '\r' |
sed -n 's/^\(db[0-9]*\):keys=\([0-9]*\),expires=\([0-9]*\).*/\1 \2 \3/p' |
while read -r db keys expire; do echo "$db.lasting $((keys - expire))"; done
$cli info persistence | tr -d '\r' | sed -n 's/^aof_enabled:/appendonly /p'`

	postgresLogin = `[ -n "$POSTGRES_PASSWORD" ] || [ -z "$POSTGRES_PASSWORD_FILE" ] ||
POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}" PGUSER="${PGUSER:-${POSTGRES_USER:-postgres}}"
`
	// The files are whole at any moment; a checkpoint makes the start after a restore shorter.
	postgresSave = postgresLogin + `exec psql -qd postgres -c checkpoint`
	postgresDump = postgresLogin + `exec pg_dumpall --clean --if-exists`

	postgresFacts = postgresLogin + `own="not in ('pg_catalog', 'information_schema')"
psql -Atd postgres -c 'select datname from pg_database where not datistemplate order by 1' | while read -r d; do
psql -AtF' ' -d "$d" -c "select '$d.tables', count(*) from pg_tables where schemaname $own
union all select '$d.columns', count(*) from information_schema.columns where table_schema $own" </dev/null || exit 1
done
echo "roles $(psql -Atd postgres -c 'select count(*) from pg_roles')"`

	mysqlLogin = `for n in MARIADB_ROOT_PASSWORD MYSQL_ROOT_PASSWORD; do
eval v=\$$n f=\$${n}_FILE; [ -n "$v" ] || [ -z "$f" ] || v=$(cat "$f"); [ -z "$v" ] || export MYSQL_PWD="$v"
done
`
	mysqlFacts = mysqlLogin + `cli=mariadb; command -v $cli >/dev/null || cli=mysql
$cli -uroot -BN -e "select concat(table_schema, '.tables ', count(*)) from information_schema.tables
where table_schema not in ('information_schema', 'performance_schema', 'sys') group by table_schema
union all select concat(table_schema, '.columns ', count(*)) from information_schema.columns
where table_schema not in ('information_schema', 'performance_schema', 'sys') group by table_schema"`
	mysqlDump = mysqlLogin + `dump=mariadb-dump; command -v $dump >/dev/null || dump=mysqldump
exec $dump -uroot --all-databases --single-transaction --routines --events --triggers`
)

// recipes are those that there are. A program whose files are whole at any moment needs none where it stands still:
// SQLite, with its journal in the same volume, and InnoDB are such.
var recipes = []recipe{
	{
		name: "redis", words: []string{"redis", "valkey", "keydb"}, programs: []string{"redis-server", "valkey-server"},
		before: shell(redisSave), dump: shell(redisDump), file: "dump.rdb",
		facts: shell(redisFacts),
	},
	{
		name: "postgres", words: []string{"postgres", "postgis", "timescaledb", "pgvector"},
		programs: []string{"postgres", "postmaster"},
		before:   shell(postgresSave), dump: shell(postgresDump), file: "dump.sql",
		facts: shell(postgresFacts),
	},
	{
		name: "mysql", words: []string{"mysql", "mariadb", "percona"}, programs: []string{"mysqld", "mariadbd"},
		dump: shell(mysqlDump), file: "dump.sql", facts: shell(mysqlFacts),
	},
}

// recipeOf finds the recipe for a container by its programs, or where these are not known by its image's name.
func recipeOf(c Container) (recipe, bool) {
	for _, r := range recipes {
		if slices.ContainsFunc(c.Processes, func(name string) bool { return slices.Contains(r.programs, name) }) {
			return r, true
		}
	}
	if c.Config == nil || len(c.Processes) > 0 {
		return recipe{}, false
	}
	name, _, _ := strings.Cut(path.Base(c.Config.Image), "@")
	name, _, _ = strings.Cut(name, ":")
	for _, r := range recipes {
		words := strings.FieldsFunc(name, func(c rune) bool { return c == '-' || c == '_' || c == '.' })
		if slices.ContainsFunc(words, func(word string) bool { return slices.Contains(r.words, word) }) {
			return r, true
		}
	}
	return recipe{}, false
}

// dumpFile is what a service's dump is called in the snapshot.
func dumpFile(u User) string {
	for _, r := range recipes {
		if r.name == u.Recipe && r.file != "" {
			return r.file
		}
	}
	return "dump"
}

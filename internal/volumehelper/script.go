package volumehelper

// firstProcess is what the container runs: it has others stand still, and ends with its standard input, by which all
// that it has started ends. Those that stand still go on at a word, at the end of the input, or when their time is
// over, whatever becomes of this machine.
const firstProcess = `umask 077
mkdir -p ` + Stage + `/.tmp ` + Stage + `/.cache
mkfifo ` + secrets + `/in ` + secrets + `/out
groups=()
say() { # WORD: what each group is told
  for g in "${groups[@]}"; do
    if [ -e "$g/cgroup.freeze" ]; then
      if [ $1 = freeze ]; then echo 1; else echo 0; fi 2>/dev/null >"$g/cgroup.freeze"
    else
      if [ $1 = freeze ]; then echo FROZEN; else echo THAWED; fi 2>/dev/null >"$g/freezer.state"
    fi || { [ $1 = thaw ] && [ ! -d "$g" ]; } || return 1
  done
}
still() {
  for g in "${groups[@]}"; do
    if [ -e "$g/cgroup.freeze" ]; then grep -q "frozen 1" "$g/cgroup.events" || return 1
    else [ "$(<"$g/freezer.state")" = FROZEN ] || return 1; fi
  done
}
freeze() {
  for ((i = 0; i < 200; i++)); do
    say freeze || return 1
    still && return 0
    sleep 0.005
  done
  return 1
}
echo ready
while read -r word rest; do
  case $word in
  find)
    groups=() lost=
    top=` + cgroups + `
    [ -e $top/cgroup.controllers ] || top=$top/freezer
    for id in $rest; do
      g=$(find $top -type d -name "*$id*" -print -quit 2>/dev/null)
      if [ -n "$g" ] && { [ -w "$g/cgroup.freeze" ] || [ -w "$g/freezer.state" ]; }; then groups+=("$g")
      else lost=$id; fi
    done
    if [ -n "$lost" ]; then echo "the cgroup of the container ${lost:0:12} can't be written to"; else echo found; fi ;;
  freeze)
    if freeze; then
      echo frozen
      if read -r -t "$rest" word; then say thaw; echo thawed
      else say thaw; read -r word && echo late; fi
    else
      say thaw
      echo "not every process could be frozen"
    fi ;;
  thaw) say thaw; echo thawed ;;
  esac
done
say thaw`

// runRestic becomes restic.
const runRestic = `umask 077; . ` + secrets + `/env; cd ` + Stage + ` || exit 126
echo $$ >` + secrets + `/pid
exec restic "$@"`

// number has processes that are started from then on have higher numbers than any that a helper has when it starts.
// A lock that a helper leaves in the repository has the number of its restic: the next helper, which has no process of
// that number, finds it stale.
const number = `for ((i = 0; i < 300; i++)); do (:); done`

// The two ends of the pipe by which restic reaches the repository: near is the program that restic starts, and far is
// heard by this process.
const (
	near = `cat <` + secrets + `/in & exec cat >` + secrets + `/out`
	far  = `cat <` + secrets + `/out & exec cat >` + secrets + `/in`
)

// stopRestic sends restic a signal.
const stopRestic = `cd ` + secrets + `; kill -"$1" "$(<pid)"`

// unpack takes a tar into a directory.
const unpack = `mkdir -p "$1" && exec tar -x --no-same-owner -C "$1"`

// digHoles makes holes of the zeros in large files below a directory, and leaves their times as they are.
const digHoles = `exec find "$1" -xdev -type f -size +1023k -exec bash -c 'for f; do
  a=$(stat -c %x "$f") m=$(stat -c %y "$f")
  fallocate --dig-holes "$f" || exit; touch -hamd "$a" "$f" && touch -hmd "$m" "$f" || exit
done' bash {} +`

// exchange has two directories change their names in one step (renameat2(2), RENAME_EXCHANGE).
const exchange = `exec perl -e 'my ($n, $a, $b) = @ARGV;
syscall($n + 0, -100, $a, -100, $b, 2) == 0 or die "exchanging $a and $b: $!\n"' "$@"`

#!/usr/bin/env bash
# Kills setup, build and start with SIGKILL at random moments, ROUNDS times each (default 5), and runs the same command
# again each time: it must end well, and after start every service must be healthy. Prints a line per kill; exits 1 at
# the first run that does not recover. It needs a stack that has been built and started once.
#
#   bench/kill.sh            SEED=7 ROUNDS=2 bench/kill.sh start
set -u
cd "$(dirname "$0")/.." || exit 1
rounds=${ROUNDS:-5}
RANDOM=${SEED:-$$}
compose="docker compose -f compose/compose.yaml"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# before TARGET makes sure that the target has work to do.
before() {
  case $1 in
    setup) go tool mage teardown ;; # builder and registry have to come up again
    build) docker image rm -f $(docker image ls -q --filter label=com.docker.compose.project=killtest) ;;
    start) $compose down ;;
  esac >/dev/null 2>&1
}

# run TARGET: a build is made under other names, so that it loads every image without touching the running ones.
run() {
  case $1 in
    build) IMAGE_PREFIX=killtest COMPOSE_PROJECT_NAME=killtest CACHE_REGISTRY=none exec go tool mage build ;;
    *) exec go tool mage "$1" ;;
  esac
}

# span TARGET: how long a whole run takes, in milliseconds.
span() {
  before "$1"
  local began; began=$(date +%s%3N)
  (run "$1") >"$log" 2>&1 || { cat "$log"; exit 1; }
  echo $(($(date +%s%3N) - began))
}

for target in "${@:-setup build start}"; do for t in $target; do
  whole=$(span "$t") || { echo "$t fails without any kill: $whole"; exit 1; }
  for round in $(seq "$rounds"); do
    before "$t"
    at=$((RANDOM * whole / 32768))
    setsid bash -c "$(declare -f run); run $t" >/dev/null 2>&1 &
    pid=$!
    sleep "$(printf '%d.%03d' $((at / 1000)) $((at % 1000)))"
    kill -KILL -- "-$pid" 2>/dev/null && killed=killed || killed="had ended"
    wait "$pid" 2>/dev/null
    began=$(date +%s%3N)
    if ! (run "$t") >"$log" 2>&1; then
      echo "$t round $round: $killed at ${at} ms of ${whole}: the next run FAILED"; cat "$log"; exit 1
    fi
    echo "$t round $round: $killed at ${at} ms of ${whole}; the next run ended well in $(($(date +%s%3N) - began)) ms"
  done
done; done
before build
go tool mage start >"$log" 2>&1 && go tool mage status || { cat "$log"; exit 1; }

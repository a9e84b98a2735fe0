#!/bin/sh
# Renders docs/run.svg, the README's picture: a build of nothing and a start of the six services, stopped before.
# It needs the stack to be built once (go tool mage full). Lines are cut at 110 columns.
set -eu
cd "$(dirname "$0")/.."
go tool mage stop
green=$(printf '\033[32m') yellow=$(printf '\033[33m') plain=$(printf '\033[0m')
{
  echo '$ go tool mage build start'
  go tool mage build -progress=quiet start 2>&1
} | sed -E -e 's/^(.{109}).{2,}$/\1…/' -e "s/^ ✓/ $green✓$plain/" -e "s/^ !/ $yellow!$plain/" |
  go run github.com/charmbracelet/freeze@v0.2.2 --language ansi --font.family monospace --font.size 13 \
    --padding 20 --border.radius 8 --output docs/run.svg

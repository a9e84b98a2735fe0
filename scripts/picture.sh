#!/bin/sh
# Renders docs/run.svg, the README's picture: a build of nothing and a start of the six services, stopped before.
# It needs the stack to be built once (go tool mage full).
set -eu
cd "$(dirname "$0")/.."
go tool mage stop
run='stty cols 110; echo "$ go tool mage build start"; go tool mage build start'
go run github.com/charmbracelet/freeze@v0.2.2 --execute "sh -c '$run'" --execute.timeout 5m \
  --font.family monospace --font.size 13 --padding 20 --border.radius 8 --output docs/run.svg

#!/bin/sh
# The old name: docker-optimize.sh [full|cleanup|build|start|monitor]; without a word, the menu.
cd "$(dirname "$0")/.." && exec go tool mage "$@"

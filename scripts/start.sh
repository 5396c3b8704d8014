#!/bin/sh
# `npm start`: set-up, then the demo on a database and a Temporal server of its own.
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
sh "$root/scripts/setup.sh"
. "$root/bin/find-node.sh"
exec node --disable-warning=ExperimentalWarning --disable-warning=DEP0123 "$root/demo/demo-main.ts" "$@"

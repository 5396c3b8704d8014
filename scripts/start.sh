#!/bin/sh
# `npm start`: set-up, then the demo on a database and a Temporal server of its own.
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
sh "$root/scripts/setup.sh"
exec sh "$root/bin/rstow" demo "$@"

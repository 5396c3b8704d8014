#!/bin/sh
# Runs a command with this checkout's tools first in PATH, whichever Node.js npm itself was started by.
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
. "$root/bin/find-node.sh"

PATH=$root/node_modules/.bin:$PATH
exec "$@"

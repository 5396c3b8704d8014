#!/bin/sh
# Builds dist/ for the package: Node refuses to strip types inside node_modules.
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
cd "$root"
rm -rf dist
exec sh scripts/with-tools.sh tsc --project tsconfig.build.json

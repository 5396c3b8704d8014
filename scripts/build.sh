#!/bin/sh
# Builds dist/ for the package: Node refuses to strip types inside node_modules. The workflows are in it once more, as the
# one file that agents run.
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
cd "$root"
rm -rf dist
sh scripts/with-tools.sh tsc --project tsconfig.build.json
exec sh scripts/with-tools.sh node --disable-warning=ExperimentalWarning scripts/bundle-workflows.ts dist/workflow-bundle.js

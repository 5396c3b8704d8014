#!/bin/sh
# `npm run check`: what must hold before a commit. Every step runs, so that one round shows all that is wrong.
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
sh "$root/scripts/setup.sh"
cd "$root"
exec sh scripts/with-tools.sh node --disable-warning=ExperimentalWarning scripts/check.ts

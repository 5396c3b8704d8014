#!/bin/sh
# `npm test`: set-up, then every vitest project. The report is what .ci/run counts.
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
sh "$root/scripts/setup.sh"
cd "$root"
exec sh scripts/with-tools.sh vitest run \
  --reporter=default --reporter=json --outputFile.json=.tools/test-report.json "$@"

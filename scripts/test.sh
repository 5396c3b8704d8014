#!/bin/sh
# `npm test`: set-up, then the tests that a person waits for. `--deep` runs the long ones instead: the quick start, other hosts, kills, odd
# surroundings. `--faults` runs those whose disk, network or Temporal fails for long, `--zfs` those on an emulated host with ZFS. Other arguments
# go to vitest, which then chooses among all tests. The reports are what .ci/run counts.
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
sh "$root/scripts/setup.sh"
cd "$root"

report=test-report
projects='unit replay workflow integration agent e2e regress'
if [ "${1:-}" = --deep ]; then
  shift
  report=deep-test-report
  projects='long waiting crash hard hosts alone'
elif [ "${1:-}" = --faults ]; then
  shift
  report=faults-test-report
  projects=faults
elif [ "${1:-}" = --zfs ]; then
  shift
  report=zfs-test-report
  projects=zfs
fi
if [ $# -eq 0 ]; then
  for project in $projects; do set -- "$@" --project "$project"; done
fi
exec sh scripts/with-tools.sh vitest run \
  --reporter=default --reporter=json --outputFile.json=".tools/$report.json" "$@"

#!/bin/sh
# The container is healthy while its server answers (or a restore has stopped it), its agent runs, Temporal answers, and
# the repository is there and can be written.
set -eu

is_up() {
  sv status "/etc/service/$1" | grep -q '^run:'
}

is_up agent
! is_up rstmdb || rstmdb-cli ping >/dev/null
temporal operator namespace describe --namespace default --command-timeout 4s >/dev/null
test -f /var/backups/rstmdb/rstow-repository.json
test -w /var/backups/rstmdb

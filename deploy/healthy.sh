#!/bin/sh
# The container is healthy while its server answers (or a restore has stopped it), its agent says that it works, which it can't without Temporal,
# and the repository is there and can be written.
set -eu

is_up() {
  sv status "/etc/service/$1" | grep -q '^run:'
}

! is_up rstmdb || rstmdb-cli ping >/dev/null
node -e 'fetch("http://127.0.0.1:9095/healthz").then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))'
test -f /var/backups/rstmdb/rstow-repository.json
test -w /var/backups/rstmdb

#!/bin/sh
# Makes a fresh clone ready: Node.js first, then everything else by scripts/setup.ts. Twice: nothing to do, in a second.
# One at a time: `npm start` and `npm test` may run side by side in one checkout.
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
umask 022 # what root sets up, other users run
mkdir -p "$root/.tools"
lock=$root/.tools/setup.lock

say_waiting() {
  echo "rstow: waiting for another set-up of this checkout" >&2
}

# The kernel frees this lock when its holder dies.
lock_by_kernel() {
  exec 9>"$lock"
  flock -n 9 || {
    say_waiting
    flock 9
  }
}

# For machines without flock: a link that names its holder; a dead holder's link is taken over.
lock_by_link() {
  until ln -s $$ "$lock.pid" 2>/dev/null; do
    holder=$(readlink "$lock.pid") || continue
    kill -0 "$holder" 2>/dev/null || {
      rm -f "$lock.pid"
      continue
    }
    [ "${waiting:-no}" = yes ] || say_waiting
    waiting=yes
    sleep 1
  done
  trap 'rm -f "$lock.pid"' EXIT
  trap 'exit 130' INT TERM
}

if command -v flock >/dev/null; then lock_by_kernel; else lock_by_link; fi

. "$root/bin/find-node.sh"
cd "$root"
node --disable-warning=ExperimentalWarning scripts/setup.ts

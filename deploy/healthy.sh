#!/bin/sh
# The container is healthy while the server answers or a restore has stopped it, and the agent runs.
set -eu

is_up() {
  sv status "/etc/service/$1" | grep -q '^run:'
}

is_up agent
! is_up rstmdb || rstmdb-cli ping >/dev/null

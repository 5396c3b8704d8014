#!/bin/sh
# Installs what the long tests need beside the set-up; .ci/run does it. Tests whose tools are missing are skipped, and name this script.
# With Go: an S3 server (versitygw) and a proxy that makes a network bad (toxiproxy), into .tools/bin. On Debian, as root: what test/hosts makes hosts
# of its own from (systemd-nspawn, user-mode-linux, docker, podman), Prometheus and Alertmanager; with `--zfs` also what test/zfs needs (QEMU).
set -eu

root=$(dirname "$(dirname "$(readlink -f "$0")")")
tools=$root/.tools/bin

# Built beside the final place and renamed: an interrupted build never looks done. Go keeps what it has compiled, for the next checkout.
build_by_go() {
  name=$1 package=$2
  [ ! -x "$tools/$name" ] || return 0
  if ! command -v go >/dev/null; then
    echo "host-tools: Go is missing, and so $name stays missing" >&2
    return 0
  fi
  echo "host-tools: building $name" >&2
  mkdir -p "$tools"
  partial=$(mktemp -d "$tools/partial.XXXXXX")
  if GOBIN=$partial GOFLAGS=-trimpath go install "$package" >"$partial/log" 2>&1; then
    rm "$partial/log"
    mv "$partial"/* "$tools/$name"
  else
    echo "host-tools: $name could not be built:" >&2
    tail -n 3 "$partial/log" >&2
  fi
  rm -rf "$partial"
}
build_by_go toxiproxy-server github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0
build_by_go versitygw github.com/versity/versitygw/cmd/versitygw@v1.8.0

packages='prometheus prometheus-alertmanager rclone mmdebstrap systemd-container user-mode-linux kmod iproute2 lvm2 e2fsprogs xfsprogs docker.io docker-compose podman crun age gnupg'
[ "${1:-}" != --zfs ] || packages="$packages qemu-system-x86 openssh-client"

is_installed() {
  dpkg-query --show --showformat='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=
for package in $packages; do is_installed "$package" || missing="$missing $package"; done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "host-tools: not Debian's root, so these stay missing:$missing" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
exec apt-get install -y -qq --no-install-recommends $missing >/dev/null

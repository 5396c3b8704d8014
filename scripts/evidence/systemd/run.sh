#!/bin/sh
# `sudo scripts/evidence/systemd/run.sh`: boots a real systemd in a Debian root, installs the unit that `rstow up --print-unit`
# prints, and runs scenario.sh there. Needs root, mmdebstrap and systemd-nspawn; a few minutes the first time.
set -eu

here=$(dirname "$(readlink -f "$0")")
checkout=$(readlink -f "$here/../../..")
debian=$checkout/.tools/debian
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sh "$checkout/scripts/setup.sh"
if [ ! -x "$debian/usr/bin/systemctl" ] || [ ! -x "$debian/usr/lib/polkit-1/polkitd" ]; then
  rm -rf "$debian"
  mmdebstrap --quiet --variant=minbase --mode=root --include=systemd-sysv,dbus,polkitd,procps,iproute2 bookworm "$debian"
fi

root=$work/root
cp -a "$debian" "$root"
mkdir -p "$root/host" "$root/opt/rstow" "$root/etc/rstow" "$work/host"
cp "$here"/*.service "$root/etc/systemd/system/"
cp "$here/rstow.yaml" "$root/etc/rstow/"
cp "$here/scenario.sh" "$work/host/"
ln -s ../scenario.service "$root/etc/systemd/system/multi-user.target.wants/"
echo evidence >"$root/etc/hostname"

export root work checkout
unshare --mount --propagation private sh -eu -c '
  umount -R /sys/fs/cgroup
  mount -t cgroup2 none /sys/fs/cgroup
  mkdir -p /sys/fs/cgroup/rstow-evidence
  echo $$ >/sys/fs/cgroup/rstow-evidence/cgroup.procs
  exec systemd-nspawn -q -D "$root" --register=no --keep-unit --private-network \
    --bind="$work/host:/host" --bind-ro="$checkout:/opt/rstow" -b
' </dev/null >"$work/console.log" 2>&1 || true

cat "$work/host/log" || cat "$work/console.log"
grep -qx 'all held' "$work/host/log"

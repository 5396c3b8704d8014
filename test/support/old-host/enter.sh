#!/bin/sh
# Runs a command on a host that looks like the one of the guide: this machine's own files, but for /var/lib/rstmdb,
# /backup/rstmdb, /mnt and /data, which are the test's. Nobody else sees them; they end with the command.
set -eu
root=/mnt
mount -t tmpfs old-host "$root"
for path in /*; do
  if [ -L "$path" ]; then
    cp -P "$path" "$root/"
  elif [ -d "$path" ]; then
    mkdir "$root$path"
    [ "$path" = "$root" ] || mount --rbind "$path" "$root$path"
  fi
done
mount -t tmpfs var-lib "$root/var/lib"
mkdir -p "$root/var/lib/rstmdb" "$root/backup/rstmdb" "$root/data"
mount --bind "$OLD_HOST/data" "$root/var/lib/rstmdb"
mount --bind "$OLD_HOST/backup" "$root/backup/rstmdb"
exec chroot "$root" sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"

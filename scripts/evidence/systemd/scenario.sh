# Runs in the booted system, as root: each line that is shown begins with "held:".
PATH=/opt/rstow/.tools/node/node_modules/.bin:/opt/rstow/.tools/bin:/opt/rstow/.tools/temporal/bin:/opt/rstow/bin:$PATH
export PATH HOME=/root

held() { echo "held: $*"; }
eventually() {
  for _ in $(seq 240); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.5
  done
  echo "never: $*"
  systemctl status --no-pager rstow rstmdb || true
  journalctl --no-pager -u rstow -u rstmdb | tail -40
  return 1
}
database() { rstmdb-cli -s 127.0.0.1:7401 "$@"; }
new_order() { database create-instance -m order -V 1 -i "$1"; }
main_pid() { systemctl show --property MainPID --value "$1"; }
is_another() { [ "$(main_pid rstow)" != 0 ] && [ "$(main_pid rstow)" != "$1" ]; }
has_backup() { rstow list orders | grep -q -- -hot; }

ip link set lo up
useradd --system rstmdb
mkdir -p /srv/orders /backup
chown rstmdb /srv/orders
systemctl start rstmdb
eventually database ping
database put-machine -n order -v 1 '{"states":["new","paid"],"initial":"new","transitions":[{"from":"new","event":"PAY","to":"paid"}]}'
new_order kept

rstow up --config /etc/rstow/rstow.yaml --print-unit >/etc/systemd/system/rstow.service
systemd-analyze verify rstow.service
systemctl daemon-reload
systemctl enable --now --quiet rstow
eventually has_backup
held 'the printed unit starts Temporal and the agent, and makes the first backup'

temporal=$(pgrep -f 'temporal server start-dev' | head -1)
before=$(main_pid rstow)
kill -9 "$before"
eventually is_another "$before"
eventually rstow backup orders
[ "$(pgrep -f 'temporal server start-dev' | head -1)" = "$temporal" ]
held 'killed with SIGKILL it is started again, adopts the Temporal that went on, and backs up'

new_order 'made later'
server=$(main_pid rstmdb)
rstow restore orders --backup latest --yes
[ "$(main_pid rstmdb)" != "$server" ]
[ "$(stat -c %U /srv/orders/wal)" = rstmdb ]
database get-instance kept
if database get-instance 'made later'; then exit 1; fi
held 'a restore in place stops and starts the unit, brings the backup’s state, and leaves the log to its user'

server=$(main_pid rstmdb)
systemctl disable --now --quiet rstow
[ "$(main_pid rstmdb)" = "$server" ]
held 'stopping rstow leaves the database up'

# The README's quick start, each line, against the server that the unit runs: by the four flags, as root and as its user.
quick_start() {
  user=$1
  sed -n '/^## Quick start/,/^## What/s/ *#.*//; /^rstow /p' /opt/rstow/README.md |
    sed "s#/var/lib/rstmdb#/srv/orders#; s#/backup/rstmdb#/backup/$user#; s#/var/tmp/orders#/srv/elsewhere/$user#" >/tmp/lines
  up=$(head -1 /tmp/lines)
  cd / && runuser -u "$user" -- $up >"/tmp/up-$user" 2>&1 &
  running=$!
  eventually grep -q '^up since' "/tmp/up-$user"
  cat "/tmp/up-$user"
  grep -q 'the unit rstmdb.service: systemctl stops and starts it' "/tmp/up-$user"
  sed 1d /tmp/lines | while read -r line; do
    runuser -u "$user" -- $line >/tmp/said 2>&1 </dev/null || {
      echo "failed: $line"
      cat /tmp/said
      exit 1
    }
  done
  pkill -INT -u "$user" -f 'cli/main.ts up'
  wait "$running"
  held "each line of the quick start works against the unit, as $user"
}

usermod --home /home/rstmdb rstmdb
mkdir -p /home/rstmdb /srv/elsewhere
chown rstmdb /home/rstmdb /srv/elsewhere /backup
rm -rf /srv/orders/.rstow /srv/orders/wal/rstow-timeline.json /var/lib/rstow
quick_start root
rm -rf /srv/orders/.rstow /srv/orders/wal/rstow-timeline.json
cat >/etc/polkit-1/rules.d/50-rstow.rules <<'RULES'
polkit.addRule(function (action, subject) {
  if (action.id == "org.freedesktop.systemd1.manage-units" &&
      action.lookup("unit") == "rstmdb.service" &&
      subject.user == "rstmdb") return polkit.Result.YES;
});
RULES
systemctl restart polkit
quick_start rstmdb
echo 'all held'

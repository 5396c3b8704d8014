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
  journalctl --no-pager -u rstow | tail -40
  journalctl --no-pager -u rstmdb | grep -v rstmdb_server | tail -10
  tail -40 /tmp/up-* || true
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

# The README's quick start, each line, by the four flags.
lines_for() {
  sed -n '/^## Quick start/,/^## Who/{s/ *#.*//;/^rstow /p}' /opt/rstow/README.md |
    sed "s#/var/lib/rstmdb#/srv/orders#; s#/backup/rstmdb#/backup/$1#; s#/var/tmp/orders#/srv/elsewhere/$1#" >/tmp/lines
  [ "$(wc -l </tmp/lines)" -gt 8 ]
}
# Without a terminal to type the database's name at, a restore in place is confirmed as a script does it.
each_command_works() {
  sed '1,2d; s/^rstow \(restore\|undo\) orders *$/& --yes/' /tmp/lines | while read -r line; do
    runuser -u "$1" -- $line >/tmp/said 2>&1 </dev/null || {
      echo "failed: $line"
      cat /tmp/said
      exit 1
    }
  done
}
as_new() { rm -rf /srv/orders/.rstow /srv/orders/wal/rstow-timeline.json /var/lib/rstow /etc/rstow; }

# The second line's unit as it is printed; `systemctl start` returns once rstow says that it works.
by_unit() {
  lines_for "$1"
  $(sed -n 2p /tmp/lines) >/etc/systemd/system/rstow.service
  grep -v '^#' /etc/systemd/system/rstow.service | grep -E 'Type=|User=|Capability|NoNew|PATH='
  systemd-analyze verify rstow.service
  systemctl daemon-reload
  systemctl start rstow
  [ "$(systemctl show --property ActiveState --value rstow)" = active ]
  eventually has_backup
  each_command_works root
  journalctl --no-pager -q -o cat -u rstow >"/tmp/up-$1"
}

# The first line, by hand.
by_hand() {
  lines_for "$1"
  cd / && runuser -u "$1" -- $(head -1 /tmp/lines) >"/tmp/up-$1" 2>&1 &
  running=$!
  eventually grep -q '^up since' "/tmp/up-$1"
  each_command_works "$1"
  pkill -INT -u "$1" -f 'cli/main.ts up'
  wait "$running"
}
is_managed() {
  grep -q 'the unit rstmdb.service: systemctl stops and starts it' "/tmp/up-$1" && return
  cat "/tmp/up-$1"
  return 1
}

usermod --home /home/rstmdb rstmdb
mkdir -p /home/rstmdb /srv/elsewhere
chown rstmdb /home/rstmdb /srv/elsewhere /backup

as_new
by_unit root
is_managed root
if grep -q '^User=' /etc/systemd/system/rstow.service; then exit 1; fi
systemctl stop --quiet rstow
database get-instance kept
held 'each line of the quick start works against the unit of a server, rstow in its own printed unit, as root'

as_new
cat >/etc/polkit-1/rules.d/50-rstow.rules <<'RULES'
polkit.addRule(function (action, subject) {
  if (action.id == "org.freedesktop.systemd1.manage-units" &&
      action.lookup("unit") == "rstmdb.service" &&
      subject.user == "rstmdb") return polkit.Result.YES;
});
RULES
systemctl restart polkit
by_hand rstmdb
is_managed rstmdb
held 'each line of the quick start works against the unit of a server, as its user, who has the polkit rule that `rstow up` prints'

as_new
systemctl stop rstmdb
settings=$(systemctl show --property Environment --value rstmdb)
systemd-run --quiet --scope runuser -u rstmdb -- env $settings rstmdb >/tmp/by-hand 2>&1 &
eventually database ping
mkdir -p /backup/user && chown rstmdb /backup/user
by_unit user
grep -qx 'User=rstmdb' /etc/systemd/system/rstow.service
grep -qx 'CapabilityBoundingSet=' /etc/systemd/system/rstow.service
[ "$(ps -o user= -p "$(main_pid rstow)")" = rstmdb ]
server=$(pgrep -xu rstmdb rstmdb)
systemctl stop --quiet rstow
[ "$(pgrep -xu rstmdb rstmdb)" = "$server" ]
database get-instance kept
held 'each line of the quick start works against a server started by hand, rstow in a printed unit with User= and no capability; stopping the unit leaves the database up'
echo 'all held'

#!/bin/sh
# Makes the secrets of docker-compose.yml, as root of a container that ends then. What is there stays, so that it can run at each start; only the
# chat's URL, which a person gives, is taken anew.
set -eu
umask 077

cd /var/lib/secrets

random() {
  head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

# keep NAME OWNER MODE: what comes on standard input is there as a whole, or not at all.
keep() {
  cat >"$1.new"
  chown "$2" "$1.new"
  chmod "$3" "$1.new"
  mv "$1.new" "$1"
}

# The owners are the users of the images: PostgreSQL's is 999, Temporal's 1000, Alertmanager's 65534, Grafana's 472; the S3 server's is 7070.
[ -s postgresql-password ] || random | keep postgresql-password 999:1000 0440
[ -s grafana-password ] || random | keep grafana-password 472:0 0400
[ -s s3-credentials ] ||
  printf '[default]\naws_access_key_id = rstow\naws_secret_access_key = %s\n' "$(random)" | keep s3-credentials rstow:7070 0440
[ "$(stat -c %u /var/lib/s3)" = 7070 ] || chown -R 7070:7070 /var/lib/s3
keep chat-url 65534:65534 0400 </run/secrets/chat-url

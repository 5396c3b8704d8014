#!/bin/sh
# Makes the secrets of docker-compose.yml, as root of a container that ends then. What is there stays, so that it can run at each start, and gets
# the owner and the mode of this version; only the chat's URL, which a person gives, is taken anew.
set -eu
umask 077

cd /var/lib/secrets

random() {
  head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

credentials() {
  printf '[default]\naws_access_key_id = rstow\naws_secret_access_key = %s\n' "$(random)"
}

# own OWNER MODE FILE
own() {
  chown "$1" "$3"
  chmod "$2" "$3"
}

# take NAME OWNER MODE: what comes on standard input is there as a whole, or not at all.
take() {
  cat >"$1.new"
  own "$2" "$3" "$1.new"
  mv "$1.new" "$1"
}

# keep NAME OWNER MODE COMMAND: what is there, else what the command prints.
keep() {
  if [ -s "$1" ]; then own "$2" "$3" "$1"; else "$4" | take "$1" "$2" "$3"; fi
}

# The owners are the users of the images: PostgreSQL's is 999, Temporal's 1000, Alertmanager's 65534, Grafana's 472; the S3 server's is 7070.
keep postgresql-password 999:1000 0440 random
keep grafana-password 472:0 0400 random
keep s3-credentials rstow:7070 0440 credentials
[ "$(stat -c %u /var/lib/s3)" = 7070 ] || chown -R 7070:7070 /var/lib/s3
take chat-url 65534:65534 0400 </run/secrets/chat-url

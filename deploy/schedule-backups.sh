#!/bin/sh
# schedule-backups DATABASE INTERVAL: makes the schedule that backs a database up, unless there is one already.
set -eu

database=$1
interval=$2
id=rstow-$database-hotBackup

temporal schedule describe --schedule-id "$id" >/dev/null 2>&1 || exec temporal schedule create --schedule-id "$id" \
  --interval "$interval" --overlap-policy Skip --catchup-window 10m \
  --task-queue rstow --type hotBackup --workflow-id "rstow/$database/hotBackup/scheduled" --input "{\"database\": \"$database\"}"

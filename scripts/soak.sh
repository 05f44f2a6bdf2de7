#!/usr/bin/env bash
# Runs the fault schedules of the whole runtime, and the histories of firmware updates
# (internal/systemtest/property), for a long time and prints what it did.
# Usage: scripts/soak.sh [SCHEDULES] [SEED]
#   SCHEDULES  how many in all, 10000 by default, a fifth for each set-up, and as many
#              updates for each way to begin one
#   SEED       of the random generator; 0, the default, takes a new one
# Exit status 1 when a schedule broke a property: it is printed, reduced to
# what is needed, with the flags that repeat it.
set -euo pipefail
cd "$(dirname "$0")/.."
schedules=${1:-10000}
seed=${2:-0}
[[ $schedules =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] || { echo "usage: scripts/soak.sh [SCHEDULES] [SEED]" >&2; exit 2; }
each=$(((schedules + 4) / 5))

echo "soak: $each schedules for each of 5 set-ups, seed $seed"
began=$SECONDS
status=0
go test -count=1 -run '^(TestFaultSchedules|TestUpdatesAreReported)$' -v -timeout 12h ./internal/systemtest/property \
  -rapid.checks="$each" -rapid.seed="$seed" -rapid.shrinktime=2m || status=1
echo "soak: $((SECONDS - began)) s, exit $status"
exit "$status"

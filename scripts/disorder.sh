#!/usr/bin/env bash
# Runs tests while every actor and every event may be held up at random
# (internal/disorder), so that those fail which pass by the luck of the scheduler.
# Usage: scripts/disorder.sh [COUNT] [PACKAGE ...]
#   COUNT    how often each test runs, 3 by default
#   PACKAGE  by default those with actors or clients in them, but for interop
# Exit status 1 when a test failed.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-3}
[[ $count =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/disorder.sh [COUNT] [PACKAGE ...]" >&2; exit 2; }
shift || true
packages=("$@")
((${#packages[@]})) || packages=(. ./control ./gateway ./lwm2mtest ./actors/... ./internal/... ./cmd/...)

echo "disorder: each test $count times"
began=$SECONDS
status=0
go test -race -tags disorder -shuffle=on -count="$count" -timeout 2h "${packages[@]}" || status=1
echo "disorder: $((SECONDS - began)) s, exit $status"
exit "$status"

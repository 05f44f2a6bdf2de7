#!/usr/bin/env bash
# Handshakes with a server whose flights are broken at random: a million flights
# for each kind of handshake unless told otherwise, the same in every run.
# Usage: scripts/handshakes.sh [FLIGHTS]
# Exit status 1 when one of them went wrong; the output names its seed.
set -euo pipefail
cd "$(dirname "$0")/.."
HOLDFAST_MUTATED_FLIGHTS="${1:-1000000}" \
  go test -count=1 -timeout 6h -run '^TestHostileMutatedFlights$' -v ./internal/dtls

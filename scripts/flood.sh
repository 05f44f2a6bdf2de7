#!/usr/bin/env bash
# Floods a real client over loopback, from its server's own socket and as fast
# as that can be written to, with everything that can be sent without a secret,
# and prints what came of it (internal/systemtest/hostile/flood_socket_test.go).
# Usage: scripts/flood.sh [SECONDS]
#   SECONDS  how long, 60 by default
# Exit status 1 when the registration did not hold, or an Update had no answer.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/flood.sh [SECONDS]" >&2; exit 2; }
HOLDFAST_FLOOD=${seconds}s go test -count=1 -run '^TestFloodOnSockets$' -v -timeout "$((seconds + 300))s" ./internal/systemtest/hostile

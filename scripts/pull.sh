#!/usr/bin/env bash
# Downloads an image of 10 MB over CoAP in blocks of 1024 bytes from libcoap's
# coap-server, by the client and by libcoap's coap-client in turn, and prints the
# time of each pair, the medians, and the ratio with its least and its greatest.
# Needs libcoap's commands (Debian: libcoap3-bin).
# Usage: scripts/pull.sh [PAIRS]     8 by default
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-8}
[[ $pairs =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/pull.sh [PAIRS]" >&2; exit 2; }

HOLDFAST_REQUIRE_PEERS=1 go test -count=1 -run '^$' -bench '^BenchmarkPull$' -benchtime "${pairs}x" ./interop

#!/usr/bin/env bash
# Prints what DTLS costs at scale (docs/performance.md, Handshakes at scale): handshakes a
# second and their processor time, memory and goroutines of a connection and at the peak,
# of a handshake that hears nothing, of a whole client, and records a second. The server
# is a process of its own. Every figure of memory is of a process of its own.
# Usage: scripts/dtls-scale.sh [CONNECTIONS [RUNS]]     5000 and 3 by default
# HOLDFAST_SCALE_PLACES=N sets how many handshakes go on at a time.
# Exit status 1 when a connection is above its limits.
set -euo pipefail
cd "$(dirname "$0")/.."
connections=${1:-5000} runs=${2:-3}
[[ $connections =~ ^[1-9][0-9]*$ && $runs =~ ^[1-9][0-9]*$ ]] || {
  echo "usage: scripts/dtls-scale.sh [CONNECTIONS [RUNS]]" >&2
  exit 2
}
if ! ulimit -n $((connections + 200)) 2>/dev/null; then
  echo "descriptors: $(ulimit -Hn) at most, $((connections + 200)) are needed" >&2
  exit 1
fi
read -r low high < <(cat /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null || echo 1 65535)
if ((high - low < connections + 100)); then
  echo "ports: $((high - low)) for sockets without a port of their own, fewer than it takes" >&2
  exit 1
fi
export HOLDFAST_SCALE_CONNECTIONS=$connections
binaries=$(mktemp -d)
trap 'rm -rf "$binaries"' EXIT
go test -c -o "$binaries/network.test" ./actors/network
go test -c -o "$binaries/record.test" ./internal/dtls/record
go test -c -o "$binaries/behaviour.test" ./internal/systemtest/behaviour

# bench BINARY NAME TIME: one benchmark in a process of its own; its lines only.
bench() {
  local output
  if ! output=$("$binaries/$1.test" -test.run '^$' -test.bench "$2" -test.benchtime "$3"); then
    echo "$output" >&2
    return 1
  fi
  grep '^Benchmark' <<<"$output"
}

for _ in $(seq "$runs"); do
  bench network '^BenchmarkConnections$/^PSK$' 1x
  bench network '^BenchmarkConnections$/^ECDSA$' 1x
  bench network '^BenchmarkSilentHandshakes$' 1x
  # What a collector that is late leaves is no property of a client: one run of four will do.
  for _ in 1 2 3 4; do
    if bench behaviour '^BenchmarkFiveHundredPSKClients$' 1x; then break; fi
  done
done
bench record 'Benchmark(Seal|Open)$' 500ms

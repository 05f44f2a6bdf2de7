#!/usr/bin/env bash
# Runs the benchmarks of docs/performance.md and prints the least, the median
# and the greatest of each figure. Every run of a fleet is a process of its own:
# memory is measured as growth, and a process that has grown before grows less.
# Usage: scripts/bench.sh [RUNS]     5 by default
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
runs=${1:-5}
[[ $runs =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/bench.sh [RUNS]" >&2; exit 2; }
export LC_ALL=C
binaries=$(mktemp -d)
trap 'rm -rf "$binaries"' EXIT

go test -c -o "$binaries/coap.test" ./internal/coap
go test -c -o "$binaries/behaviour.test" ./internal/systemtest/behaviour

# bench BINARY NAME TIME: one run of one benchmark, in a process of its own.
bench() {
  (cd "$binaries" && "./$1.test" -test.run '^$' -test.bench "^$2\$" -test.benchtime "$3") |
    tee /dev/stderr | grep '^Benchmark'
}

# figures: turns "Name-2 N value unit value unit ..." into "Name unit value".
figures() { awk '{ sub(/-[0-9]+$/, "", $1); for (i = 3; i < NF; i += 2) print $1, $(i + 1), $i }'; }

# spread: one line for each name and unit, of values that come sorted.
spread() {
  awk '
    function flush() { if (n) printf "%-52s %-22s %12s %12s %12s\n", name, unit, v[1], v[int((n + 1) / 2)], v[n] }
    BEGIN { printf "%-52s %-22s %12s %12s %12s\n", "benchmark", "unit", "min", "median", "max" }
    $1 != name || $2 != unit { flush(); name = $1; unit = $2; n = 0 }
    { v[++n] = $3 }
    END { flush() }'
}

for _ in $(seq "$runs"); do
  bench coap BenchmarkEncodeDecodeRegister 1s
  bench behaviour BenchmarkReadThroughActors 2s
  bench behaviour BenchmarkRead 2s
  bench behaviour BenchmarkServedReads 20000x
  bench behaviour BenchmarkNotifications 20000x
  bench behaviour BenchmarkThousandObservations 10x
  bench behaviour BenchmarkThousandClients 1x
  bench behaviour BenchmarkFiveHundredPSKClients 1x
done | figures | sort -k1,1 -k2,2 -k3,3g | spread

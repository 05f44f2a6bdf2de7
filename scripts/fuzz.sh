#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other.
# Usage: scripts/fuzz.sh [SECONDS]     seconds for each target, 60 by default
# Exit status 1 when a target failed, with its input left in testdata/fuzz, or
# when there is none.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/fuzz.sh [SECONDS]" >&2; exit 2; }

# Lists "PACKAGE TARGET", from the packages' own test binaries.
targets() {
  local package name
  for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
    # A package without targets prints only its "ok" line.
    go test -run '^$' -list '^Fuzz' "$package" | while read -r name _; do
      case $name in Fuzz*) echo "$package $name" ;; esac
    done
  done
}

list=$(targets)
[ -n "$list" ] || { echo "fuzz: no fuzz target found" >&2; exit 1; }
failed=()
while read -r package name; do
  echo "== $package $name, $seconds s"
  # Without -fuzzminimizetime 1x a target spends its time on minimising inputs
  # that only cover something new.
  go test -run '^$' -fuzz "^$name\$" -fuzztime "${seconds}s" -fuzzminimizetime 1x "$package" </dev/null || failed+=("$package $name")
done <<<"$list"

echo "fuzz: $(wc -l <<<"$list") targets, ${#failed[@]} failed"
if [ ${#failed[@]} -gt 0 ]; then
  printf 'fuzz: FAILED %s\n' "${failed[@]}"
  exit 1
fi

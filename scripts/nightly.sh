#!/usr/bin/env bash
# What takes too long for every change: a million broken handshake flights of each
# kind, the tests of whole clients while actors are held up at random, and each fuzz
# target for 60 s.
# Usage: scripts/nightly.sh
# Exit status 1 when something failed; scripts/fuzz.sh says what it leaves.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/handshakes.sh
scripts/disorder.sh
scripts/fuzz.sh 60

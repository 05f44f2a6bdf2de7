#!/usr/bin/env bash
# Builds the Leshan peer into target/: the libraries of pom.xml in target/lib,
# our classes in target/classes. Does nothing when both are up to date, and
# needs the network only when the libraries of this pom.xml are missing.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p target

# Test binaries of several packages may build at the same time.
if command -v flock >/dev/null; then
  exec 9>target/.lock
  flock 9
fi

digest() { cat "$@" | cksum | tr ' ' '-'; }
fresh() { [ -f "target/$1/.digest" ] && [ "$(cat "target/$1/.digest")" = "$2" ]; }

# publish DIR DIGEST: target/DIR.new becomes target/DIR, complete or not at all.
publish() {
  echo "$2" >"target/$1.new/.digest"
  rm -rf "target/$1"
  mv "target/$1.new" "target/$1"
}

pom=$(digest pom.xml)
if ! fresh lib "$pom"; then
  rm -rf target/lib.new
  mvn -q -B -C dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$PWD/target/lib.new" >&2
  publish lib "$pom"
fi

mapfile -t sources < <(find src/main/java -name '*.java' | LC_ALL=C sort)
code=$(digest pom.xml "${sources[@]}")
if ! fresh classes "$code"; then
  rm -rf target/classes.new
  javac --release 17 -Xlint:all,-processing,-classfile -d target/classes.new -cp 'target/lib/*' "${sources[@]}" >&2
  publish classes "$code"
fi

// Package disorder lets other goroutines go first, at random, in programs that are built
// with the tag disorder; in all others it does nothing. A test that passes only by the luck
// of the scheduler, and fails in one run of hundreds, fails under it within minutes:
// scripts/disorder.sh runs tests so. It owns nothing, and waits for nothing: in a synctest
// bubble no time passes.
package disorder

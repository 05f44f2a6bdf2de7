// Package disorder lets other goroutines go first, at random, in programs that are built
// with the tag disorder; in all others it is nothing. Tests that pass by the luck of the
// scheduler fail under it, a rare red run of continuous integration in some hundred runs
// at hand: scripts/disorder.sh runs them so. It owns nothing, and waits for nothing: in a
// synctest bubble no time passes.
package disorder

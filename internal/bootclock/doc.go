// Package bootclock tells how long the machine has been suspended.
//
// Go's monotonic clock stands still while Linux is suspended, so a delay of a
// week becomes a week of waking hours. A [Watch] compares the monotonic clock
// with the one that goes on, and tells whoever asked what the machine has
// slept. It costs one goroutine, whatever the number of those it tells, and
// none while there are none.
package bootclock

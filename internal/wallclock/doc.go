// Package wallclock tells when the wall clock of the machine is set.
//
// Delays run on Go's monotonic clock, which that does not touch. But whether a
// certificate is valid is a question for the wall clock, and a gateway without a
// battery has it set by the network minutes after it was started: whatever waits
// for a certificate to become valid need not wait then. A [Watch] tells whoever
// asked. It costs one goroutine and one descriptor, whatever the number of those it
// tells, and none while there are none. [Machine] is the one of a process.
//
// On Linux the kernel tells (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET), at once
// and without a timer that fires in vain. Elsewhere the clock is compared with the
// monotonic one every [Interval].
package wallclock

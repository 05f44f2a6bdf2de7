// Package admission bounds how many handshakes of a process go on at a time, and how many
// jobs are at the disk.
//
// A [Gate] has a number of places. A link takes one before it opens its socket, and
// gives it back when its handshake is over. While none is free, links wait in the order
// in which they came. A server that is silent must not keep the clients of another one
// out, so three things hold:
//
//   - A place lapses when its handshake has heard nothing for [Silence], and when it has
//     had it for [Turn]. The handshake goes on: it may still send, and takes a place again
//     before it looks at what comes, in its old place in the order.
//   - The next free place goes to the server that has the fewest of them, among several
//     to the one that has waited longest for its next one, and there to the link that came
//     first.
//   - A server that was passed over for long comes first once, however many places it has.
//
// [Places] are the simple case, of jobs at the disk: whoever has waited for long goes there
// without one.
//
// queue.go is the pure core: who comes next. gate.go is the shell, which waits and has
// the timers. The package owns both; a [Pass] belongs to one handshake.
package admission

// Package linkwatch tells what this machine can reach others by: its interfaces, their
// addresses and the default routes that lead through them, and what of that has changed.
//
// On Linux the kernel says that something has changed (rtnetlink(7)), which needs no
// privilege. What it says is decoded here ([Decode]) and weighed against what is known
// ([State.Apply]). Since it does not say everything (routes go with the interface or the
// address that they need, without a word) and drops what nobody reads in time, the whole
// is asked for anew a moment later, and that counts ([State.View]). A [Watch] tells
// whoever asked. It costs two goroutines and one descriptor, whatever the number of those
// it tells, and none while there are none. [Machine] is the one of a process.
//
// Other systems have no such watch: nobody is ever told.
//
// Decoder, state and pace are pure; source_linux.go and watch.go do what they ask for.
// The package opens sockets of its own only, and changes nothing of the machine.
package linkwatch

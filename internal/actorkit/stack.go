package actorkit

// A mailbox runs on a goroutine that begins with a small stack. The runtime doubles one
// that is too small, and copies it frame by frame, each time that it is: with what an actor calls for a
// message, that was a third of the processor time of a Read. Grown while there is next to
// nothing on it, it costs little. The stack goes with the goroutine, when the mailbox is
// empty.

// roomForMessage is what the handling of most messages takes on the stack, in bytes: a
// power of two. Twice as much saves another doubling of a Read, and costs memory when
// thousands of mailboxes run at once.
const roomForMessage = 4 << 10

// growStack makes the stack of the calling goroutine large enough to handle a message. The
// result means nothing: it keeps the compiler from leaving out the room.
//
//go:noinline
func growStack(at int) byte {
	var room [roomForMessage]byte
	return room[at&(roomForMessage-1)]
}

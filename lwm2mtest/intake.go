package lwm2mtest

import "sync"

// intake holds what the records of a session have brought, between pion, which reads them,
// and the server. Pion hands the content of a record over before it notes where the record
// has come from. So it waits here until pion asks for the next datagram: an answer would
// go to where the client is no more.
type intake struct {
	mu      sync.Mutex
	changed *sync.Cond
	queue   []plaintext
	begun   uint64 // datagrams that pion has been given
	ended   uint64 // of them those that it has done with
	closed  bool
}

// plaintext is the content of one record, and the datagram during or before which it came.
type plaintext struct {
	data     []byte
	datagram uint64
}

func newIntake() *intake {
	in := &intake{}
	in.changed = sync.NewCond(&in.mu)
	return in
}

// begin notes that pion is given a datagram.
func (in *intake) begin() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.begun++
}

// end notes that pion asks for one, and has done with those before.
func (in *intake) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ended = in.begun
	in.changed.Broadcast()
}

// push adds what has come. It is lost, as a datagram may be, when the server is that far
// behind.
func (in *intake) push(data []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.queue) < sessionQueue {
		in.queue = append(in.queue, plaintext{data, in.begun})
		in.changed.Broadcast()
	}
}

// pop waits for what is to be taken; it reports whether there is something, or nothing more.
func (in *intake) pop() (data []byte, more bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.queue) == 0 || in.ended < in.queue[0].datagram && !in.closed {
		if in.closed {
			return nil, false
		}
		in.changed.Wait()
	}
	data = in.queue[0].data
	in.queue = in.queue[1:]
	return data, true
}

// close ends the session: what has come is taken still, and nothing after it.
func (in *intake) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.changed.Broadcast()
}

//go:build unix

package network

import (
	"net"
	"os"
	"sync"
	"syscall"
)

// readiness reads and writes a socket of the operating system as soon as that
// can be done at once: a read waits for that and takes a buffer only then, so
// that ten thousand idle links hold none; a write does not wait at all.
type readiness struct {
	conn net.Conn
	raw  syscall.RawConn // nil when the connection is no such socket

	// Of the present receive. The functions that raw calls are made once: a
	// closure for every datagram would be two allocations.
	in      transfer
	tryRead func(fd uintptr) (done bool)

	mu       sync.Mutex // one send at a time
	out      transfer
	tryWrite func(fd uintptr) (done bool)
}

// transfer is one system call to be made, and its outcome.
type transfer struct {
	b    *buffer // to read into
	data []byte  // to write
	n    int
	err  error
}

func (r *readiness) adopt(conn net.Conn) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	r.conn, r.raw, r.tryRead, r.tryWrite = conn, raw, r.read, r.write
}

func (r *readiness) receive() (*buffer, int, error) {
	err := r.raw.Read(r.tryRead)
	done := r.in
	r.in = transfer{}
	if err == nil {
		err = done.err
	}
	return done.b, done.n, err
}

// read takes a buffer, and gives it back when there was nothing to read after
// all.
func (r *readiness) read(fd uintptr) (done bool) {
	b := buffers.Get().(*buffer)
	n, err := again(syscall.Read, int(fd), b[:])
	if err != nil {
		buffers.Put(b)
		r.in.err = os.NewSyscallError("read", err)
		return err != syscall.EAGAIN
	}
	r.in = transfer{b: b, n: n}
	return true
}

func (r *readiness) send(datagram []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out = transfer{data: datagram}
	err := r.raw.Write(r.tryWrite)
	if err == nil {
		err = r.out.err
	}
	r.out = transfer{}
	return err
}

// write is always done: a full send buffer loses the datagram.
func (r *readiness) write(fd uintptr) (done bool) {
	if _, err := again(syscall.Write, int(fd), r.out.data); err == syscall.EAGAIN {
		r.out.err = errNoRoom
	} else if err != nil {
		r.out.err = os.NewSyscallError("write", err)
	}
	return true
}

func (r *readiness) failed() error { return nil }

func (r *readiness) close() error { return r.conn.Close() }

// again makes a system call, once more when a signal interrupts it.
func again(call func(int, []byte) (int, error), fd int, b []byte) (n int, err error) {
	for {
		if n, err = call(fd, b); err != syscall.EINTR {
			return n, err
		}
	}
}

package linkwatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Supported reports whether this system can tell of changes.
const Supported = true

// The groups whose messages tell of changes (linux/rtnetlink.h, RTMGRP_*).
const groups = 0x1 | 0x10 | 0x40 | 0x100 | 0x400 // links; IPv4 and IPv6 addresses; their routes

// What can be asked for (linux/rtnetlink.h).
var questions = []uint16{syscall.RTM_GETLINK, syscall.RTM_GETADDR, syscall.RTM_GETROUTE}

const (
	// answerLimit bounds the wait for an answer, which the kernel gives at once, but for
	// the size of a table of routes.
	answerLimit = 10 * time.Second
	// datagramSize holds the longest datagram that the kernel answers with, in bytes: it
	// fills 32 KiB where the reader has so much room.
	datagramSize = 32 << 10
	// tries bounds how often is asked anew what changes while it is answered.
	tries = 3
)

// InterruptedError says that the kernel's answer has contradicted itself each time.
type InterruptedError struct{}

// Error returns a sentence for a person.
func (InterruptedError) Error() string { return "the interfaces of this machine change all the time" }

// system is this machine.
type system struct{}

// Listen implements Source.
func (system) Listen() (Listener, error) {
	s, err := open(groups)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Look implements Source.
func (system) Look() (*State, error) {
	s, err := open(0)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	err = error(InterruptedError{})
	for range tries {
		state := &State{}
		var whole bool
		if whole, err = s.askAll(state); err == nil && whole {
			return state, nil
		}
		if err != nil {
			return nil, err
		}
		err = InterruptedError{}
	}
	return nil, err
}

// socket is a netlink socket.
type socket struct {
	file   *os.File // of a descriptor that does not block, so that Close ends a Read
	buffer []byte
}

// open opens a socket that is a member of groups. It takes no privilege.
func open(groups uint32) (*socket, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groups}); err != nil {
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return &socket{file: os.NewFile(uintptr(fd), "netlink"), buffer: make([]byte, datagramSize)}, nil
}

// Close implements Listener.
func (s *socket) Close() { _ = s.file.Close() }

// Receive implements Listener. Where nobody has read in time, the kernel says so by ENOBUFS.
func (s *socket) Receive() (messages []any, err error) {
	n, err := s.read()
	switch {
	case errors.Is(err, syscall.ENOBUFS):
		return []any{Interrupted{}}, nil
	case err != nil:
		return nil, err
	case n == len(s.buffer): // it may have been cut off
		messages = append(messages, Interrupted{})
	}
	Decode(s.buffer[:n], func(m any) { messages = append(messages, m) })
	return messages, nil
}

// read reads one datagram of the kernel's. What another program sends is dropped.
func (s *socket) read() (n int, err error) {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) (done bool) {
		var from syscall.Sockaddr
		for failed = syscall.EINTR; failed == syscall.EINTR; {
			n, from, failed = syscall.Recvfrom(int(fd), s.buffer, 0)
		}
		if failed == syscall.EAGAIN {
			return false
		}
		kernel, is := from.(*syscall.SockaddrNetlink)
		return failed != nil || is && kernel.Pid == 0
	})
	if err == nil && failed != nil {
		err = os.NewSyscallError("recvfrom", failed)
	}
	return n, err
}

// askAll asks all questions in turn, since the kernel takes one at a time. The answer is
// whole unless something has changed meanwhile.
func (s *socket) askAll(state *State) (whole bool, err error) {
	whole = true
	for number, question := range questions {
		undisturbed, err := s.ask(state, question, uint32(number+1))
		if err != nil {
			return false, err
		}
		whole = whole && undisturbed
	}
	return whole, nil
}

func (s *socket) ask(state *State, question uint16, number uint32) (undisturbed bool, err error) {
	request := make([]byte, lengthHeader+lengthLink) // the longest body, of which zeroes ask for everything
	order := binary.NativeEndian
	order.PutUint32(request, uint32(len(request)))
	order.PutUint16(request[4:], question)
	order.PutUint16(request[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	order.PutUint32(request[8:], number)
	if err := s.file.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return false, err
	}
	if _, err := s.file.Write(request); err != nil {
		return false, err
	}
	undisturbed = true
	for done := false; !done && err == nil; {
		var messages []any
		messages, err = s.Receive()
		for _, m := range messages {
			switch m := m.(type) {
			case Done:
				done = true
			case Interrupted:
				undisturbed = false
			case Failed:
				err = fmt.Errorf("netlink: %w", m.Errno)
			default:
				state.Apply(m)
			}
		}
	}
	return undisturbed, err
}

package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// maxDatagram is the longest answer that is read from a datagram.
	maxDatagram = 4096
	// wholeLimit bounds each way to get the whole of a truncated answer: what has
	// come already may be enough.
	wholeLimit = 2 * time.Second
)

// exchange asks one server one question, until ctx ends.
func (r *Resolver) exchange(ctx context.Context, server string, q question) (answer, error) {
	short, err := r.datagram(ctx, server, q, false)
	if err != nil || !short.truncated {
		return short, err
	}
	for _, ask := range []func(context.Context) (answer, error){
		func(ctx context.Context) (answer, error) { return r.stream(ctx, server, q) },
		func(ctx context.Context) (answer, error) { return r.datagram(ctx, server, q, true) },
	} {
		bounded, cancel := context.WithTimeout(ctx, wholeLimit)
		whole, err := ask(bounded)
		cancel()
		if err == nil && whole.replaces(short) {
			return whole, nil
		}
	}
	return short, nil
}

// replaces reports whether an answer says more than a truncated one. A server that
// does not know EDNS, or serves only its own clients over TCP, answers with an error:
// that takes nothing away from the addresses that have come.
func (a answer) replaces(short answer) bool {
	refused := a.code != dnsmessage.RCodeSuccess && a.code != dnsmessage.RCodeNameError
	return !a.truncated && (!refused || len(short.addrs) == 0)
}

// datagram asks over UDP. Messages that do not answer this question are passed
// over: whoever forges one has to guess the ID and the port.
func (r *Resolver) datagram(ctx context.Context, server string, q question, edns bool) (answer, error) {
	conn, id, err := r.ask(ctx, "udp", server, q, edns)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	buffer := make([]byte, maxDatagram)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return answer{}, err
		}
		if a, ours := q.parse(id, buffer[:n]); ours {
			return a, nil
		}
	}
}

// stream asks over TCP (RFC 7766): each message has its length before it.
func (r *Resolver) stream(ctx context.Context, server string, q question) (answer, error) {
	conn, id, err := r.ask(ctx, "tcp", server, q, false)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return answer{}, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, message); err != nil {
		return answer{}, err
	}
	a, ours := q.parse(id, message)
	if !ours {
		return answer{}, errAnswer
	}
	return a, nil
}

var errAnswer = errors.New("not an answer to the question")

// ask opens a connection that ends with ctx, and sends the question.
func (r *Resolver) ask(ctx context.Context, network, server string, q question, edns bool) (net.Conn, uint16, error) {
	id := newID()
	query, err := q.query(id, edns)
	if err != nil {
		return nil, 0, err
	}
	if network == "tcp" {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	conn, err := r.dial(ctx, network, server)
	if err != nil {
		return nil, 0, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	if _, err := conn.Write(query); err != nil {
		_ = conn.Close()
		return nil, 0, err
	}
	return conn, id, nil
}

func newID() uint16 {
	var id [2]byte
	_, _ = rand.Read(id[:]) // it never fails
	return binary.BigEndian.Uint16(id[:])
}

package wire

import (
	"fmt"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// spot is one datagram of a handshake: the direction, and the place in it,
// from 0.
type spot struct {
	fromServer bool
	index      int
}

func (s spot) String() string {
	if s.fromServer {
		return fmt.Sprintf("server's datagram %d", s.index)
	}
	return fmt.Sprintf("client's datagram %d", s.index)
}

// spots are all datagrams of a handshake that has had so many.
func spots(client, server int) (all []spot) {
	for i := range client {
		all = append(all, spot{false, i})
	}
	for i := range server {
		all = append(all, spot{true, i})
	}
	return all
}

// counter finds out when a spot has come.
type counter map[bool]int

func (c counter) at(fromServer bool) spot {
	c[fromServer]++
	return spot{fromServer, c[fromServer] - 1}
}

// fates are what may happen to one datagram.
var fates = map[string]func(spot) road{
	"lost":    losing,
	"doubled": doubling,
	"swapped": swapping,
}

func losing(at spot) road {
	seen := counter{}
	return func(fromServer bool, data []byte) [][]byte {
		if seen.at(fromServer) == at {
			return nil
		}
		return [][]byte{data}
	}
}

func doubling(at spot) road {
	seen := counter{}
	return func(fromServer bool, data []byte) [][]byte {
		if seen.at(fromServer) == at {
			return [][]byte{data, slices.Clone(data)}
		}
		return [][]byte{data}
	}
}

// swapping keeps a datagram back until the next one of the same direction has
// been delivered. Behind the last of a flight that is the resend.
func swapping(at spot) road {
	seen := counter{}
	var kept []byte
	return func(fromServer bool, data []byte) [][]byte {
		here := seen.at(fromServer)
		switch {
		case here == at:
			kept = data
			return nil
		case here.fromServer == at.fromServer && kept != nil:
			late := kept
			kept = nil
			return [][]byte{data, late}
		}
		return [][]byte{data}
	}
}

// without loses all messages of a type of the server's, for good.
func without(lost handshake.Type) road {
	return func(fromServer bool, data []byte) [][]byte {
		if !fromServer {
			return [][]byte{data}
		}
		c := cutter{merged: true}
		var pieces [][]byte
		for _, f := range fragments(data) {
			if f.Type != lost {
				pieces = append(pieces, reassembled(f).AppendFragment(nil, f.Offset, len(f.Data)))
			}
		}
		return append(c.wrap(pieces), c.others(data)...)
	}
}

// reassembled is a message of which only a piece is known.
func reassembled(f handshake.Fragment) handshake.Message {
	m := handshake.Message{Type: f.Type, Sequence: f.Sequence, Body: make([]byte, f.Length)}
	copy(m.Body[f.Offset:], f.Data)
	return m
}

// cutter cuts the server's handshake messages anew: each sending of its flight
// into pieces of another size.
type cutter struct {
	sizes []int // of the pieces of the first, second ... sending, in bytes
	lost  []int // which piece of the first, second ... sending is lost; -1 for none
	// merged puts all pieces of a datagram into one record; otherwise each has
	// a datagram of its own.
	merged bool
	// reversed sends the pieces of a datagram backwards.
	reversed bool

	sending  int // from 1
	pieces   int // of this sending so far
	sequence uint64
	first    int // pieces of the first sending
}

func (c *cutter) road(fromServer bool, data []byte) [][]byte {
	all := fragments(data)
	if !fromServer || len(all) == 0 {
		return [][]byte{data}
	}
	var out [][]byte
	for _, f := range all {
		if f.Type == handshake.TypeHelloVerifyRequest {
			return [][]byte{data}
		}
		if f.Type == handshake.TypeServerHello && f.Offset == 0 {
			c.sending, c.pieces = c.sending+1, 0
		}
		out = append(out, c.cut(f)...)
	}
	out = append(c.wrap(out), c.others(data)...)
	if c.reversed {
		slices.Reverse(out)
	}
	return out
}

// cut returns the pieces of a fragment that are not lost.
func (c *cutter) cut(f handshake.Fragment) (pieces [][]byte) {
	m := reassembled(f)
	size := nth(c.sizes, c.sending)
	for from := f.Offset; ; from += size {
		length := min(size, f.Offset+len(f.Data)-from)
		if len(c.lost) < c.sending || c.lost[c.sending-1] != c.pieces {
			pieces = append(pieces, m.AppendFragment(nil, from, length))
		}
		if c.pieces++; c.sending == 1 {
			c.first = c.pieces
		}
		if from+length == f.Offset+len(f.Data) {
			return pieces
		}
	}
}

// nth returns the n-th of some numbers, from 1, or the last.
func nth(all []int, n int) int { return all[min(max(n, 1), len(all))-1] }

// wrap puts pieces into records of epoch 0, with numbers of its own.
func (c *cutter) wrap(pieces [][]byte) (datagrams [][]byte) {
	if c.merged && len(pieces) > 0 {
		pieces = [][]byte{slices.Concat(pieces...)}
	}
	for _, p := range pieces {
		datagrams = append(datagrams, record.AppendPlain(nil, record.Handshake, c.sequence, p))
		c.sequence++
	}
	return datagrams
}

// others returns what else stands in a datagram, as one.
func (c *cutter) others(data []byte) [][]byte {
	var left []byte
	for rest := data; len(rest) > 0; {
		r, tail, ok := record.Next(rest, 0)
		if ok && (!r.Plain() || r.Content != record.Handshake) {
			left = append(left, rest[:len(rest)-len(tail)]...)
		}
		if rest = tail; !ok {
			break
		}
	}
	if left == nil {
		return nil
	}
	return [][]byte{left}
}

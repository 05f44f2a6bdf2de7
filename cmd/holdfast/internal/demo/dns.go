package demo

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// loopback is where everything listens.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// nameServer is a stub DNS server (RFC 1035) on loopback: its names have the
// address 127.0.0.1, until they are hidden; there are no others.
type nameServer struct {
	pc      net.PacketConn
	serving sync.WaitGroup

	mu     sync.Mutex
	names  []string
	hidden map[string]bool
}

func newNameServer(names ...string) (*nameServer, error) {
	pc, err := listen(netip.AddrPortFrom(loopback, 0))
	if err != nil {
		return nil, err
	}
	s := &nameServer{pc: pc, names: names, hidden: map[string]bool{}}
	s.serving.Go(s.serve)
	return s, nil
}

func (s *nameServer) address() string { return s.pc.LocalAddr().String() }

// close ends the server and waits for its goroutine.
func (s *nameServer) close() {
	_ = s.pc.Close() // it is only closed here
	s.serving.Wait()
}

// hide makes a name unknown: NXDOMAIN.
func (s *nameServer) hide(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden[name] = true
}

// restore makes all names known again.
func (s *nameServer) restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.hidden)
}

func (s *nameServer) known(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.names, name) && !s.hidden[name]
}

// maxQuery is more than a resolver sends over UDP, in bytes.
const maxQuery = 4096

func (s *nameServer) serve() {
	buf := make([]byte, maxQuery)
	for {
		n, from, err := s.pc.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := answerQuery(buf[:n], s.known); answer != nil {
			_, _ = s.pc.WriteTo(answer, from) // a lost answer is asked for again
		}
	}
}

// Parts of a DNS message (RFC 1035 section 4).
const (
	dnsHeaderLen = 12

	dnsResponse      = 1 << 15
	dnsAuthoritative = 1 << 10
	dnsKeptFlags     = 0x7900 // the query's opcode and recursion desired
	dnsNameError     = 3      // NXDOMAIN

	dnsTypeA   = 1
	dnsClassIN = 1
	dnsTTL     = 0 // seconds: nothing is to be remembered
)

// question is the one question of a query.
type question struct {
	name string // lower case, without the dot at its end
	kind uint16
	raw  []byte // as it stands in the query
}

// answerQuery returns the answer to a query; nil when it is none.
func answerQuery(query []byte, known func(name string) bool) []byte {
	q, ok := parseQuery(query)
	if !ok {
		return nil
	}
	flags := binary.BigEndian.Uint16(query[2:])&dnsKeptFlags | dnsResponse | dnsAuthoritative
	answers := uint16(0)
	switch {
	case !known(q.name):
		flags |= dnsNameError
	case q.kind == dnsTypeA:
		answers = 1
	}
	b := append([]byte(nil), query[:2]...)
	for _, field := range []uint16{flags, 1, answers, 0, 0} {
		b = binary.BigEndian.AppendUint16(b, field)
	}
	b = append(b, q.raw...)
	if answers > 0 {
		b = appendAddress(b)
	}
	return b
}

// appendAddress appends an A record for the name of the question.
func appendAddress(b []byte) []byte {
	const nameOfQuestion = 0xc000 | dnsHeaderLen // section 4.1.4
	for _, field := range []uint16{nameOfQuestion, dnsTypeA, dnsClassIN} {
		b = binary.BigEndian.AppendUint16(b, field)
	}
	b = binary.BigEndian.AppendUint32(b, dnsTTL)
	address := loopback.As4()
	b = binary.BigEndian.AppendUint16(b, uint16(len(address)))
	return append(b, address[:]...)
}

// parseQuery reads the question of a query that has exactly one.
func parseQuery(query []byte) (question, bool) {
	if len(query) < dnsHeaderLen ||
		binary.BigEndian.Uint16(query[2:])&dnsResponse != 0 || binary.BigEndian.Uint16(query[4:]) != 1 {
		return question{}, false
	}
	rest := query[dnsHeaderLen:]
	var labels []string
	for {
		if len(rest) == 0 {
			return question{}, false
		}
		length := int(rest[0])
		if length > 63 || len(rest) < 1+length { // a pointer makes no sense here
			return question{}, false
		}
		label := string(rest[1 : 1+length])
		rest = rest[1+length:]
		if length == 0 {
			break
		}
		labels = append(labels, label)
	}
	if len(rest) < 4 {
		return question{}, false
	}
	raw := query[dnsHeaderLen : len(query)-len(rest)+4]
	name := strings.ToLower(strings.Join(labels, "."))
	return question{name: name, kind: binary.BigEndian.Uint16(rest), raw: raw}, true
}

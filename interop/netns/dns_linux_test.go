package netns

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// nameServer is a stub DNS server (RFC 1035) that treats every name alike.
type nameServer struct {
	mu     sync.Mutex
	answer string // "nxdomain", "servfail", "silence", or addresses
}

// playDNS runs the stub. A command says how to answer from now on: nxdomain,
// servfail, silence, or IPv4 addresses. It prints that it has understood.
func playDNS([]string) error {
	pc, err := net.ListenPacket("udp", net.JoinHostPort(serverAddr, "53"))
	if err != nil {
		return err
	}
	s := &nameServer{answer: "nxdomain"}
	var serving sync.WaitGroup
	serving.Go(func() { s.serve(pc) })
	defer serving.Wait()
	defer pc.Close()
	show := printer()
	show(record{Kind: "listening"})
	return commands(func(command string) error {
		s.set(command)
		show(record{Kind: "set"})
		return nil
	})
}

func (s *nameServer) set(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *nameServer) get() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer
}

func (s *nameServer) serve(pc net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := answerQuery(buf[:n], s.get()); answer != nil {
			_, _ = pc.WriteTo(answer, from) // a lost answer is asked for again
		}
	}
}

// Parts of a DNS message (RFC 1035 section 4).
const (
	dnsHeader         = 12
	dnsResponse       = 0x8400 // an authoritative answer
	dnsRecursion      = 0x0100 // kept from the query
	dnsServerFailure  = 2
	dnsNameError      = 3
	dnsTypeA          = 1
	dnsClassIN        = 1
	dnsNameOfQuestion = 0xc000 | dnsHeader
)

// answerQuery returns the answer to a query with one question, nil for none.
func answerQuery(query []byte, how string) []byte {
	question := questionOf(query)
	if question == nil || how == "silence" {
		return nil
	}
	flags := dnsResponse | binary.BigEndian.Uint16(query[2:])&dnsRecursion
	var addrs []netip.Addr
	switch how {
	case "nxdomain":
		flags |= dnsNameError
	case "servfail":
		flags |= dnsServerFailure
	default:
		addrs = addresses(question, how)
	}
	answer := append([]byte(nil), query[:2]...)
	answer = appendUint16s(answer, flags, 1, uint16(len(addrs)), 0, 0)
	answer = append(answer, question...)
	for _, addr := range addrs {
		ip := addr.As4()
		answer = appendUint16s(answer, dnsNameOfQuestion, dnsTypeA, dnsClassIN, 0, 0, uint16(len(ip)))
		answer = append(answer, ip[:]...)
	}
	return answer
}

// questionOf returns the question as it stands in the query, nil when the
// query is none.
func questionOf(query []byte) []byte {
	const afterName = 4 // type and class
	for end := dnsHeader; end < len(query); end += 1 + int(query[end]) {
		if query[end] != 0 {
			continue
		}
		if end+1+afterName > len(query) {
			return nil
		}
		return query[dnsHeader : end+1+afterName]
	}
	return nil
}

// addresses returns the IPv4 addresses for a question of type A.
func addresses(question []byte, list string) (addrs []netip.Addr) {
	if binary.BigEndian.Uint16(question[len(question)-4:]) != dnsTypeA {
		return nil
	}
	for _, text := range strings.Fields(list) {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs
}

func appendUint16s(b []byte, fields ...uint16) []byte {
	for _, field := range fields {
		b = binary.BigEndian.AppendUint16(b, field)
	}
	return b
}

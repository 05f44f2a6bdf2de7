package lwm2mtest

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/holdfast-iot/holdfast/internal/alarm"
)

// NameServer is a DNS server (RFC 1035) with the manners of those that clients meet
// in the field. It serves any number of sockets and listeners, in memory or real.
// A name that it does not know does not exist (NXDOMAIN). It is safe for
// concurrent use.
type NameServer struct {
	stop    chan struct{}
	serving sync.WaitGroup

	mu      sync.Mutex
	names   map[string][]netip.Addr // lower case
	aliases map[string]string       // lower case
	manners NameManners
	queries []NameQuery
	closers map[io.Closer]struct{} // what it serves
	closed  bool
}

// NameManners says how a [NameServer] misbehaves. The zero value is good behaviour.
type NameManners struct {
	Silent     bool // no answer at all
	SilentA    bool // none to queries for IPv4 addresses
	SilentAAAA bool // none to those for IPv6 addresses
	// SilentBelow is a domain, in lower case, of whose names nothing is said; empty
	// for none. Firewalls drop queries for names that are not theirs to know.
	SilentBelow string

	Delay     time.Duration // before each answer
	DelayA    time.Duration // in addition, of those for IPv4 addresses
	DelayAAAA time.Duration

	// Code is what every query is answered with, unless it is 0: 1 FORMERR, 2
	// SERVFAIL, 4 NOTIMP, 5 REFUSED.
	Code uint8
	EDNS EDNSManners
	// Truncate answers over UDP without a record, and with the flag that says so,
	// unless the query has an EDNS record that allows more than 512 bytes.
	Truncate bool
	// TruncateEDNS does the same with EDNS too.
	TruncateEDNS bool
	// AliasAlone answers a query for an alias with the alias, and leaves it to who
	// asks to look up the name that it stands for.
	AliasAlone bool
	// NoTCP closes every TCP connection at once.
	NoTCP bool
	// Forge sends, before each answer over UDP, one with another ID, one with
	// another question, and one that is no message, each with an address that
	// nobody asked for, where it can have one.
	Forge bool
}

// EDNSManners says what becomes of a query with an EDNS record (RFC 6891).
type EDNSManners uint8

// The manners of routers.
const (
	EDNSTaken   EDNSManners = iota // answered as any other
	EDNSFormErr                    // FORMERR, as servers do that are older than EDNS
	EDNSNotImp                     // NOTIMP
	EDNSDropped                    // silence
)

// NameQuery is one query that came.
type NameQuery struct {
	Time time.Time
	Name string // lower case, without the dot at its end
	IPv6 bool   // it asks for IPv6 addresses
	EDNS bool
	TCP  bool
}

// NewNameServer returns a server that knows no name. Close it.
func NewNameServer() *NameServer {
	return &NameServer{stop: make(chan struct{}), names: map[string][]netip.Addr{}, aliases: map[string]string{}, closers: map[io.Closer]struct{}{}}
}

// Set gives a name its addresses of both families. Without any it exists all the
// same, and has no address.
func (n *NameServer) Set(name string, addrs ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[strings.ToLower(name)] = slices.Clone(addrs)
}

// Alias makes a name stand for another one (CNAME), one of [NameServer.Set] or an
// alias. It panics when the other one is no domain name.
func (n *NameServer) Alias(name, target string) {
	dnsmessage.MustNewName(target + ".")
	n.mu.Lock()
	defer n.mu.Unlock()
	n.aliases[strings.ToLower(name)] = strings.ToLower(target)
}

// Remove makes a name unknown.
func (n *NameServer) Remove(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.names, strings.ToLower(name))
	delete(n.aliases, strings.ToLower(name))
}

// Behave sets the manners of answers from now on.
func (n *NameServer) Behave(m NameManners) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.manners = m
}

// Queries returns all queries so far, oldest first.
func (n *NameServer) Queries() []NameQuery {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.queries)
}

// Close ends the server, and closes what it serves.
func (n *NameServer) Close() {
	n.mu.Lock()
	closers := n.closers
	n.closers = nil
	if !n.closed {
		n.closed = true
		close(n.stop)
	}
	n.mu.Unlock()
	for c := range closers {
		_ = c.Close()
	}
	n.serving.Wait()
}

// keep notes what Close has to close.
func (n *NameServer) keep(c io.Closer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		_ = c.Close()
		return
	}
	n.closers[c] = struct{}{}
}

// closeConn ends a connection, which Close need not know any more.
func (n *NameServer) closeConn(conn net.Conn) {
	n.mu.Lock()
	delete(n.closers, conn)
	n.mu.Unlock()
	_ = conn.Close()
}

// ServePacket answers the datagrams of a socket, until Close.
func (n *NameServer) ServePacket(pc net.PacketConn) {
	n.keep(pc)
	n.serving.Go(func() {
		buffer := make([]byte, 1500)
		for {
			length, from, err := pc.ReadFrom(buffer)
			if err != nil {
				return
			}
			query := slices.Clone(buffer[:length])
			n.serving.Go(func() {
				for _, answer := range n.answer(query, false) {
					_, _ = pc.WriteTo(answer, from) // a lost answer is asked for again
				}
			})
		}
	})
}

// ServeListener answers the queries of TCP connections, one each, until Close.
func (n *NameServer) ServeListener(l net.Listener) {
	n.keep(l)
	n.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.serving.Go(func() { n.serveConn(conn) })
		}
	})
}

func (n *NameServer) serveConn(conn net.Conn) {
	n.keep(conn)
	defer n.closeConn(conn)
	n.mu.Lock()
	refused := n.manners.NoTCP
	n.mu.Unlock()
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil || refused {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	for _, answer := range n.answer(query, true) {
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}
}

// answer returns the messages that answer a query, after the delay.
func (n *NameServer) answer(raw []byte, tcp bool) [][]byte {
	var query dnsmessage.Message
	if query.Unpack(raw) != nil || query.Response || len(query.Questions) != 1 {
		return nil
	}
	question := query.Questions[0]
	asked := NameQuery{
		Time: time.Now(), TCP: tcp, IPv6: question.Type == dnsmessage.TypeAAAA, EDNS: len(query.Additionals) > 0,
		Name: strings.ToLower(strings.TrimSuffix(question.Name.String(), ".")),
	}
	n.mu.Lock()
	n.queries = append(n.queries, asked)
	m := n.manners
	chain, addrs, known := n.lookup(asked.Name, m.AliasAlone)
	n.mu.Unlock()
	if m.drops(asked) || !n.wait(m.delay(asked)) {
		return nil
	}
	response := respond(query.Header, question, chain, addrs)
	if !known {
		response.RCode = dnsmessage.RCodeNameError
	}
	m.spoil(&response, asked)
	var messages [][]byte
	if m.Forge && !tcp {
		messages = forge(response)
	}
	if message, err := response.Pack(); err == nil {
		messages = append(messages, message)
	}
	return messages
}

// lookup follows the aliases of a name, at most 16, or the first one alone.
func (n *NameServer) lookup(name string, alone bool) (chain []string, addrs []netip.Addr, known bool) {
	for range 16 {
		target, alias := n.aliases[name]
		if !alias {
			break
		}
		chain, name = append(chain, target), target
		if alone {
			return chain, nil, true
		}
	}
	addrs, known = n.names[name]
	return chain, addrs, known
}

// wait reports false when the server ends in between.
func (n *NameServer) wait(d time.Duration) bool {
	over := make(chan struct{})
	timer := alarm.After(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
		return true
	case <-n.stop:
		return false
	}
}

func (m NameManners) drops(q NameQuery) bool {
	return m.Silent || m.SilentA && !q.IPv6 || m.SilentAAAA && q.IPv6 || m.EDNS == EDNSDropped && q.EDNS ||
		m.SilentBelow != "" && strings.HasSuffix(q.Name, "."+m.SilentBelow)
}

func (m NameManners) delay(q NameQuery) time.Duration {
	if q.IPv6 {
		return m.Delay + m.DelayAAAA
	}
	return m.Delay + m.DelayA
}

// spoil makes of a good answer what the manners make of it.
func (m NameManners) spoil(r *dnsmessage.Message, q NameQuery) {
	code := dnsmessage.RCode(m.Code)
	switch {
	case q.EDNS && m.EDNS == EDNSFormErr:
		code = dnsmessage.RCodeFormatError
	case q.EDNS && m.EDNS == EDNSNotImp:
		code = dnsmessage.RCodeNotImplemented
	}
	if code != dnsmessage.RCodeSuccess {
		r.RCode, r.Answers = code, nil
	}
	if !q.TCP && (m.TruncateEDNS || m.Truncate && !q.EDNS) {
		r.Truncated, r.Answers = true, nil
	}
}

func respond(h dnsmessage.Header, q dnsmessage.Question, chain []string, addrs []netip.Addr) dnsmessage.Message {
	h.Response, h.RecursionAvailable = true, true
	r := dnsmessage.Message{Header: h, Questions: []dnsmessage.Question{q}}
	name := q.Name
	header := func() dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name, Class: q.Class, TTL: 60}
	}
	for _, target := range chain {
		to := dnsmessage.MustNewName(target + ".")
		r.Answers = append(r.Answers, dnsmessage.Resource{Header: header(), Body: &dnsmessage.CNAMEResource{CNAME: to}})
		name = to
	}
	for _, a := range addrs {
		resource := dnsmessage.Resource{Header: header()}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			resource.Body = &dnsmessage.AResource{A: a.As4()}
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			resource.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			continue
		}
		r.Answers = append(r.Answers, resource)
	}
	return r
}

// forge returns answers to other questions than the one that was asked.
func forge(r dnsmessage.Message) [][]byte {
	forged := [][]byte{[]byte("no message")}
	r.Answers = slices.Clone(r.Answers)
	for i := range r.Answers {
		r.Answers[i].Body = elsewhere(r.Answers[i].Body)
	}
	other := r
	other.ID++
	another := r
	another.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("other.test."), Type: r.Questions[0].Type, Class: dnsmessage.ClassINET}}
	for _, m := range []dnsmessage.Message{other, another} {
		if raw, err := m.Pack(); err == nil {
			forged = append(forged, raw)
		}
	}
	return forged
}

func elsewhere(body dnsmessage.ResourceBody) dnsmessage.ResourceBody {
	if _, four := body.(*dnsmessage.AResource); four {
		return &dnsmessage.AResource{A: [4]byte{203, 0, 113, 66}}
	}
	return &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 0x66}}
}

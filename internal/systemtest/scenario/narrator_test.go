package scenario

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// rank orders what happens at one instant: goroutines of a bubble run at the
// same time, and which of them is first is nobody's decision. As every datagram
// is under way for a while, what stands at one instant is never the effect of a
// datagram of that instant; so what the client tells goes before what it sends.
type rank uint8

const (
	rankName     rank = iota // the name service, and what an application asks for
	rankEvent                // an event of the client
	rankFirmware             // how far an update has come: another actor tells of that
	rankCall                 // how a call of an application ended
	rankServer               // what a server reads or forgets
	rankClient               // a datagram of the client
	rankReply                // a datagram of a server
)

// entry is one line of a narration, or a datagram of which the line is composed
// when all that came before it is known.
type entry struct {
	at      time.Time
	rank    rank
	order   uint64 // within one rank, and among datagrams of one socket
	actor   string
	text    string
	account string // that an event is about; wholeClient for none
	fails   bool   // an event that may be the effect of a datagram that could not be sent
	packet  *lwm2mtest.Packet
	fate    lwm2mtest.Fate
}

// wholeClient sorts behind the names of all servers.
const wholeClient = "~"

const statePrefix = "state "

// state returns the state that an entry tells of, or nothing.
func (e *entry) state() string {
	state, _ := strings.CutPrefix(e.text, statePrefix)
	if state == e.text {
		return ""
	}
	return state
}

// narrator collects what happens, from any goroutine, and tells it in order.
type narrator struct {
	hosts map[netip.Addr]string
	began time.Time

	mu      sync.Mutex
	muted   bool
	entries []*entry
	flying  map[uint64]*entry // datagrams by their number
	dead    map[netip.Addr]bool
	count   uint64
	wire    *wire
	sockets map[string][]netip.AddrPort  // of the client, by server
	gone    map[netip.AddrPort]time.Time // sockets, and when they were closed
}

func newNarrator() *narrator {
	return &narrator{
		hosts: map[netip.Addr]string{}, began: time.Now(), flying: map[uint64]*entry{},
		dead: map[netip.Addr]bool{}, wire: newWire(), sockets: map[string][]netip.AddrPort{},
		gone: map[netip.AddrPort]time.Time{},
	}
}

func (n *narrator) mute() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.muted = true
}

// closed leaves out what is sent to a socket of the client from now on.
func (n *narrator) closed(socket netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone[socket] = time.Now()
}

// toNobody reports whether a datagram is sent to a socket that was closed
// before: neither side learns of it.
func (n *narrator) toNobody(p lwm2mtest.Packet) bool {
	at, gone := n.gone[p.To]
	return gone && p.Time.After(at)
}

// bury leaves out what a host sends and receives from now on: a process that
// was killed is taken down in the background.
func (n *narrator) bury(host netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead[host] = true
}

// say adds a line.
func (n *narrator) say(at time.Time, r rank, actor, text string) {
	n.add(&entry{at: at, rank: r, actor: actor, text: text})
}

func (n *narrator) add(e *entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.muted {
		return
	}
	n.count++
	e.order = cmp.Or(e.order, n.count)
	n.entries = append(n.entries, e)
}

// packet takes what the network tells of its packets.
func (n *narrator) packet(event lwm2mtest.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := event.Packet
	if n.muted || n.dead[p.From.Addr()] || n.dead[p.To.Addr()] || n.toNobody(p) {
		return
	}
	switch event.Fate {
	case lwm2mtest.Sent, lwm2mtest.Unreachable:
		n.count++
		e := &entry{at: event.Time, rank: n.rankOf(p), order: n.count, packet: &p}
		if event.Fate == lwm2mtest.Unreachable {
			e.fate = event.Fate
		} else {
			n.flying[p.Seq] = e
		}
		n.entries = append(n.entries, e)
	case lwm2mtest.Refused:
		if n.rankOf(p) != rankClient {
			return // servers do not learn of a socket of the client that is closed
		}
		n.count++
		n.entries = append(n.entries, &entry{
			at: event.Time, rank: rankReply, order: n.count, packet: &p, text: "ICMP port unreachable",
		})
	default:
		n.lost(p, event)
	}
}

// lost marks a datagram that has not got far. What becomes of one later is
// another matter: it may be told already.
func (n *narrator) lost(p lwm2mtest.Packet, event lwm2mtest.Event) {
	if e := n.flying[p.Seq]; e != nil && e.at.Equal(event.Time) {
		e.fate = event.Fate
	}
	delete(n.flying, p.Seq)
}

func (n *narrator) rankOf(p lwm2mtest.Packet) rank {
	if n.hosts[p.From.Addr()] == clientName {
		return rankClient
	}
	return rankReply
}

// tell returns what has happened and was not told yet; briefly, only what the
// client says of errors and registrations.
func (n *narrator) tell(briefly bool) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disentangle()
	n.unreached()
	slices.SortStableFunc(n.entries, n.compare)
	var lines []line
	for _, e := range n.entries {
		text := n.line(e)
		if briefly && (e.packet != nil || e.rank != rankEvent || strings.HasPrefix(e.text, statePrefix)) {
			continue
		}
		lines = append(lines, line{at: e.at.Sub(n.began), text: text, state: e.state(), datagram: e.packet != nil})
	}
	n.entries = nil
	return compose(lines)
}

// disentangle finds the instants at which something happens with several
// accounts: only there the order in which the client tells of it is an accident.
func (n *narrator) disentangle() {
	first := map[time.Time]string{}
	several := map[time.Time]bool{}
	for _, e := range n.entries {
		if e.account == "" || e.account == wholeClient {
			continue
		}
		if first[e.at] == "" {
			first[e.at] = e.account
		}
		several[e.at] = several[e.at] || first[e.at] != e.account
	}
	for _, e := range n.entries {
		if !several[e.at] {
			e.account = ""
		}
	}
}

// unreached moves datagrams that the client's own network refused before the
// error that they are the cause of.
func (n *narrator) unreached() {
	for _, e := range n.entries {
		if e.fate != lwm2mtest.Unreachable {
			continue
		}
		for _, later := range n.entries {
			if later.fails && later.at.Equal(e.at) && (e.rank != rankEvent || later.order < e.order) {
				e.rank, e.order, e.account = rankEvent, later.order, later.account
			}
		}
	}
}

func (n *narrator) compare(a, b *entry) int {
	return cmp.Or(
		a.at.Compare(b.at), cmp.Compare(a.rank, b.rank), strings.Compare(n.group(a), n.group(b)),
		cmp.Compare(a.order, b.order), -cmp.Compare(a.fate, b.fate),
	)
}

// group is what the entries of one instant are sorted by before their order:
// events by the account that they are about, where there are several, and then
// those of the client as a whole; datagrams by their two ends, and behind the others
// what the client answers at once, and then what it asks: the actor that notifies is not the one
// that answers a server, nor the one that asks. What a server acknowledges comes before what it
// says, for the same reason.
func (n *narrator) group(e *entry) string {
	switch {
	case e.rank == rankEvent || e.rank == rankFirmware:
		return e.account
	case e.packet == nil:
		return ""
	}
	p := e.packet
	ends := n.name(p.From.Addr()) + " " + n.name(p.To.Addr()) + " " + p.From.String() + " " + p.To.String()
	m, err := coap.Decode(p.Data)
	switch {
	case err != nil:
		return ends
	case e.rank != rankClient && (m.Type != coap.ACK || !m.IsEmpty()):
		return ends + " says"
	case e.rank != rankClient:
		return ends
	case m.Code.IsRequest():
		return ends + " asks"
	case m.Type == coap.ACK && !m.IsEmpty():
		return ends + " answers"
	}
	return ends
}

func (n *narrator) name(addr netip.Addr) string { return cmp.Or(n.hosts[addr], addr.String()) }

// line composes a line without its time.
func (n *narrator) line(e *entry) string {
	if e.packet == nil {
		return fmt.Sprintf("%-21s %s", e.actor, e.text)
	}
	p, fromClient := e.packet, n.hosts[e.packet.From.Addr()] == clientName
	if e.text != "" { // the answer of the network to a datagram of the client
		return fmt.Sprintf("%-21s %s", n.name(p.To.Addr())+" -> "+n.socket(p.From, p.To), e.text)
	}
	text := n.wire.describe(*p, fromClient)
	if words := fates[e.fate]; words != "" {
		text += " (" + words + ")"
	}
	if fromClient {
		return fmt.Sprintf("%-21s %s", n.socket(p.From, p.To)+" -> "+n.name(p.To.Addr()), text)
	}
	return fmt.Sprintf("%-21s %s", n.name(p.From.Addr())+" -> "+n.socket(p.To, p.From), text)
}

// socket names a socket of the client: client, and from the second one to a
// server on client#2 and so on.
func (n *narrator) socket(local, remote netip.AddrPort) string {
	peer := n.name(remote.Addr())
	i := slices.Index(n.sockets[peer], local)
	if i < 0 {
		i = len(n.sockets[peer])
		n.sockets[peer] = append(n.sockets[peer], local)
	}
	if i == 0 {
		return clientName
	}
	return fmt.Sprintf("%s#%d", clientName, i+1)
}

// fates in words, of datagrams that did not arrive.
var fates = map[lwm2mtest.Fate]string{
	lwm2mtest.Lost: "lost", lwm2mtest.BlackHoled: "lost", lwm2mtest.Unreachable: "not sent",
}

package console

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// bench is a console with a server, on a network in a bubble.
type bench struct {
	*Console
	t       *testing.T
	network *lwm2mtest.Network
	server  *lwm2mtest.Server

	mu      sync.Mutex
	quits   int
	answers []Answer
}

var serverAddr = netip.MustParseAddr("192.0.2.1")

// inBubble runs a test with a console.
func inBubble(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, network: lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{}), server: lwm2mtest.NewServer(lwm2mtest.ServerOptions{})}
		host := b.network.Host("server.test", serverAddr)
		b.server.ServeManagement(must(host.ListenPacket(5683))(t), lwm2mtest.NoSec())
		b.Console = New(Options{Server: b.server, Registry: objects.Core(), Print: b.take, Quit: b.quit})
		test(t, b)
		err := b.server.Close()
		b.Close()
		if err := errors.Join(err, b.network.Close()); err != nil {
			t.Error(err)
		}
	})
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (b *bench) take(a Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = append(b.answers, a)
}

func (b *bench) quit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.quits++
}

// quitted returns how often the server was to end.
func (b *bench) quitted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.quits
}

// printed returns what has been printed since it was last asked for, when nothing more
// comes without time going by.
func (b *bench) printed() []Answer {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.answers
	b.answers = nil
	return all
}

// says carries a line out and returns the one answer.
func (b *bench) says(line string) Answer {
	b.t.Helper()
	b.Do(line)
	all := b.printed()
	if len(all) != 1 {
		b.t.Fatalf("%s: answers %+v", line, all)
	}
	return all[0]
}

// wants asserts what a line is answered, as JSON without time and type.
func (b *bench) wants(line, want string) {
	b.t.Helper()
	a := b.says(line)
	if got := asJSON(b.t, a); got != want {
		b.t.Errorf("%s:\n got %s\nwant %s", line, got, want)
	}
}

func asJSON(t *testing.T, a Answer) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(must(json.Marshal(a))(t), &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, "time")
	if fields["type"] == TypeAnswer {
		delete(fields, "type")
	}
	return string(must(json.Marshal(fields))(t))
}

// gateway is a client that answers as a test says.
type gateway struct {
	b    *bench
	conn net.Conn
	mid  uint16

	mu      sync.Mutex
	seen    []coap.Message
	answers []coap.Message // in turn; code, options and payload count
}

// gateway registers one from an address.
func (b *bench) gateway(endpoint, from, links string, query ...string) *gateway {
	b.t.Helper()
	host := b.network.Host(endpoint+".test", netip.MustParseAddr(from))
	g := &gateway{b: b, conn: must(host.Dial(b.t.Context(), netip.AddrPortFrom(serverAddr, 5683)))(b.t), mid: 100}
	b.t.Cleanup(func() { _ = g.conn.Close() })
	go g.run()
	g.request([]string{"rd"}, append([]string{"ep=" + endpoint, "lwm2m=1.1"}, query...), links)
	if !b.server.Registered(endpoint) {
		b.t.Fatalf("%s is not registered", endpoint)
	}
	return g
}

// request sends one and waits until it is dealt with.
func (g *gateway) request(path, query []string, links string) {
	g.mid++
	m := coap.Message{Code: lwm2m.CodePOST, MID: g.mid, Token: []byte{byte(g.mid)}, Payload: []byte(links)}
	m.AddStrings(coap.URIPath, path)
	m.AddStrings(coap.URIQuery, query)
	if links != "" {
		format := lwm2m.FormatLinkFormat
		m.AddFormat(coap.ContentFormat, &format)
	}
	g.send(m)
	synctest.Wait()
}

func (g *gateway) send(m coap.Message) {
	data, err := coap.Encode(m)
	if err == nil {
		_, err = g.conn.Write(data)
	}
	if err != nil {
		g.b.t.Error(err)
	}
}

// run answers requests until the connection is closed. What there is no answer for stays
// unanswered.
func (g *gateway) run() {
	buf := make([]byte, 4096)
	for {
		n, err := g.conn.Read(buf)
		if err != nil {
			return
		}
		m, err := coap.Decode(append([]byte(nil), buf[:n]...))
		if err != nil || !m.IsRequest() {
			continue
		}
		if answer, ok := g.next(m); ok {
			answer.Type, answer.MID, answer.Token = coap.ACK, m.MID, m.Token
			g.send(answer)
		}
	}
}

func (g *gateway) next(m coap.Message) (coap.Message, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = append(g.seen, m)
	if len(g.answers) == 0 {
		return coap.Message{}, false
	}
	answer := g.answers[0]
	g.answers = g.answers[1:]
	return answer, true
}

// will answers the next requests so.
func (g *gateway) will(answers ...coap.Message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers = append(g.answers, answers...)
}

// requests returns those that have come.
func (g *gateway) requests() []coap.Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// asked returns the last request.
func (g *gateway) asked() coap.Message {
	all := g.requests()
	return all[len(all)-1]
}

// content is an answer 2.05.
func content(format lwm2m.Format, payload string) coap.Message {
	m := coap.Message{Code: lwm2m.CodeContent, Payload: []byte(payload)}
	m.AddFormat(coap.ContentFormat, &format)
	return m
}

// observed adds an Observe option.
func observed(m coap.Message, sequence uint32) coap.Message {
	m.AddUint(coap.Observe, sequence)
	return m
}

func code(c lwm2m.Code) coap.Message { return coap.Message{Code: c} }

// links is what gateways register with: SenML JSON, and a few objects.
const links = `</>;ct="110 11542",</1/0>,</3/0>,</3303/0>,</3303/2>`

const timeToAnswer = 2 * time.Minute

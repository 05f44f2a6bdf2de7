package scenario

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

const (
	coapPort = 5683
	dtlsPort = 5684
)

// keys are the pre-shared keys, by the server's name.
var keys = map[string][]byte{
	management: []byte("management-key-0"), second: []byte("management-key-2"), bootstrap: []byte("bootstrap-key-00"),
}

// server is one of the servers: a process that may die and come back, on a
// host that stays.
type server struct {
	*lwm2mtest.Server
	stage       *stage
	name        string
	host        *lwm2mtest.Host
	key         []byte
	certificate *testpki.Leaf // with certificates instead of keys; nil without
	services    []*lwm2mtest.Service
	told        int // records of the history that have been narrated
}

func (s *stage) addServer(name string, addr netip.Addr, domain string) {
	v := &server{
		Server: lwm2mtest.NewServer(lwm2mtest.ServerOptions{
			Location: lwm2mtest.NumberedLocation,
			Roaming:  true, // each process of the client is a host of its own
		}), stage: s, name: name,
		host: s.network.Host(name, addr), key: keys[name],
	}
	if more := farther[name]; more > 0 {
		way := lwm2mtest.Either(lwm2mtest.FromHost(v.host), lwm2mtest.ToHost(v.host))
		s.network.Impair(way, lwm2mtest.Conditions{Latency: more})
	}
	s.network.SetDNS(domain, addr)
	s.servers[name] = v
	s.narrator.hosts[addr] = name
	v.serve()
}

func (v *server) serve() {
	secured := lwm2mtest.PSK(endpoint, v.key)
	if v.certificate != nil {
		pool := v.stage.ca.Pool()
		if v.stage.issuer != nil {
			pool.AddCert(v.stage.issuer.Certificate())
		}
		secured = lwm2mtest.X509(v.certificate.TLS(), pool)
	}
	serve := v.ServeManagement
	if v.name == bootstrap {
		serve = v.ServeBootstrap
	}
	v.services = []*lwm2mtest.Service{serve(v.listen(coapPort), lwm2mtest.NoSec()), serve(v.listen(dtlsPort), secured)}
}

func (v *server) listen(port uint16) net.PacketConn {
	pc, err := v.host.ListenPacket(port)
	if err != nil {
		v.stage.t.Fatal(err)
	}
	return pc
}

// present replaces the pre-shared keys by a certificate.
func (v *server) present(leaf *testpki.Leaf) {
	if v.certificate = leaf; len(v.services) == 0 {
		return
	}
	v.stop((*lwm2mtest.Service).Abort)
	v.serve()
}

// issue makes a certificate for the server.
func (v *server) issue(ca *testpki.Authority) *testpki.Leaf {
	leaf, err := ca.Issue(testpki.Request{
		Role: testpki.Server, CommonName: v.name, IPs: []net.IP{v.host.Addr().AsSlice()},
	})
	if err != nil {
		v.stage.t.Fatal(err)
	}
	return leaf
}

func (v *server) stop(end func(*lwm2mtest.Service)) {
	for _, service := range v.services {
		end(service)
	}
	v.services = nil
}

func (v *server) end() { _ = v.Close() } // it never fails

// collect narrates what cannot be seen on the network: what the server reads in
// DTLS records, and that it forgets who does not come back.
func (v *server) collect(n *narrator) {
	history := v.History("")
	for _, r := range history[v.told:] {
		switch {
		case r.Kind == lwm2mtest.Expired:
			n.say(r.Time, rankServer, v.name, "the lifetime of "+r.Location+" is over")
		case r.Identity != "":
			n.say(r.Time, rankServer, v.name+" reads", read(r)+": "+outcome(r.Answer))
		}
	}
	v.told = len(history)
}

// read says what a server has read, and of whom: a fetch does not say it.
func read(r lwm2mtest.Record) string {
	if r.Endpoint == "" {
		return r.Kind.String()
	}
	return r.Kind.String() + " of " + r.Endpoint
}

func outcome(answer messages.CoAPCode) string {
	if answer == messages.Empty {
		return "no answer"
	}
	return answer.String()
}

// changeServer is what servers do and undergo.
func (s *stage) changeServer(c *command) {
	v, verb := s.at(c), c.word()
	switch verb {
	case "forgets":
		v.Forget()
	case "forgets-sessions":
		v.ForgetSessions()
	case "dies":
		v.stop((*lwm2mtest.Service).Abort)
	case "closes":
		v.stop((*lwm2mtest.Service).Close)
	case "returns":
		v.serve()
	case "refuses":
		v.RefuseHandshakes(uint8(c.number("alert", 0)))
	case "accepts":
		v.AcceptHandshakes()
	case "sends":
		v.send(c)
	default:
		v.changeCredentials(c)
	}
}

func (v *server) changeCredentials(c *command) {
	switch key := c.text("key", ""); key {
	case "wrong", "right":
		v.key = keys[v.name]
		if key == "wrong" {
			v.key = []byte("another-key-0000")
		}
		for _, service := range v.services {
			service.SetPSK(endpoint, v.key)
		}
	}
	switch c.text("certificate", "") {
	case "other-authority":
		other, err := testpki.NewAuthority("Other CA")
		if err != nil {
			c.fatalf("%v", err)
		}
		v.present(v.issue(other))
	case "right":
		v.present(v.issue(v.stage.ca))
	}
}

// send makes the server send something, and waits for the answer to a request,
// unless other things happen meanwhile.
func (v *server) send(c *command) {
	if c.given("hex") {
		if err := v.SendRaw(endpoint, c.bytes("hex")); err != nil {
			c.fatalf("%v", err)
		}
		return
	}
	for word, do := range map[string]func(*server, *command){
		"observe": (*server).observe, "manifest": (*server).manifest, "package": (*server).push, "create": (*server).create, "write-composite": (*server).writeComposite,
	} {
		if c.has(word) {
			v.sendBy(c, do)
			return
		}
	}
	r := lwm2mtest.Request{Method: methodOf[c.word()], Path: c.word()}
	for _, name := range []string{"pmin", "pmax", "gt", "lt", "st"} {
		if c.given(name) {
			r.Query = append(r.Query, name+"="+c.text(name, ""))
		}
	}
	switch {
	case len(r.Query) > 0: // Write-Attributes
	case r.Method == messages.GET:
		r.Accept = new(messages.FormatTLV)
	case r.Method == messages.PUT:
		r.Format, r.Payload = new(messages.FormatText), []byte(c.text("text", ""))
	}
	if c.has("meanwhile") {
		go v.request(r)
		return
	}
	v.request(r)
}

// sendBy waits for what the server does, unless other things happen meanwhile.
func (v *server) sendBy(c *command, do func(*server, *command)) {
	if !c.has("meanwhile") {
		do(v, c)
		return
	}
	late := *c // whose arguments are taken while others are being checked
	late.words, late.args = slices.Clone(c.words), maps.Clone(c.args)
	c.words, c.args = nil, nil
	go do(v, &late)
}

// observe has the server observe a resource, as long as its registration lasts.
func (v *server) observe(c *command) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	relation, answer, err := v.Observe(ctx, endpoint, c.word(), messages.FormatText)
	if relation == nil || err != nil {
		v.stage.narrator.say(time.Now(), rankServer, v.name, fmt.Sprintf("does not observe: %v, %v", answer.Code, err))
	}
}

func (v *server) request(r lwm2mtest.Request) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := v.Do(ctx, endpoint, r); err != nil {
		v.stage.narrator.say(time.Now(), rankServer, v.name, "has no answer: "+err.Error())
	}
}

// methodOf says what a request of a server is on the wire.
var methodOf = map[string]messages.CoAPCode{
	"read": messages.GET, "write": messages.PUT, "execute": messages.POST, "delete": messages.DELETE,
}

var kinds = map[string]lwm2mtest.Kind{
	"register": lwm2mtest.Register, "update": lwm2mtest.Update, "deregister": lwm2mtest.Deregister,
	"bootstrap-request": lwm2mtest.BootstrapRequest, "enrol": lwm2mtest.Enrol, "reenrol": lwm2mtest.Reenrol,
}

// answer says how a server treats the next requests of a kind.
func (s *stage) answer(c *command) {
	home := management
	kind, known := kinds[c.word()]
	switch {
	case !known:
		c.fatalf("there is no such kind of request")
	case kind == lwm2mtest.BootstrapRequest, kind == lwm2mtest.Enrol, kind == lwm2mtest.Reenrol:
		home = bootstrap
	}
	v := s.servers[c.text("at", home)]
	f := lwm2mtest.Behaviour{
		Payload: c.text("text", ""), Delay: c.duration("delay", 0), Separate: c.has("separate"),
		WithoutLocation: c.has("no-location"), Twice: c.has("twice"),
	}
	if c.given("max-age") {
		f.MaxAge = new(uint32(c.number("max-age", 0)))
	}
	word := c.word()
	if word == "stray-block" {
		s.strayBlock(v)
		return
	}
	c.manner(&f, word)
	v.Misbehave("", kind, c.number("times", 1), f)
}

// strayBlock makes the next response of a server the second block of a body of
// which there never was a first.
func (s *stage) strayBlock(v *server) {
	var done atomic.Bool
	s.network.OnPacket(func(p lwm2mtest.Packet) (verdict lwm2mtest.Verdict) {
		m, err := coap.Decode(p.Data)
		if err != nil || p.From.Addr() != v.host.Addr() || !m.IsResponse() || done.Swap(true) {
			return verdict
		}
		m.AddBlock(coap.Block2, coap.Block{Num: 1, SZX: 2})
		verdict.Replace, err = coap.Encode(m)
		if err != nil {
			s.t.Error(err)
		}
		return verdict
	})
}

// manner is an answer in one word.
func (c *command) manner(f *lwm2mtest.Behaviour, word string) {
	switch word {
	case "ok":
	case "silence":
		f.Silent = true
	case "reset":
		f.Reset = true
	case "ack":
		f.AckOnly = true
	case "malformed":
		f.Raw = []byte{0x49, 0x01, 0x43, 0x21} // a token that is longer than any
	default:
		f.Answer = c.code(word)
	}
}

// code parses an answer such as 4.04.
func (c *command) code(s string) messages.CoAPCode {
	if len(s) != 4 || s[1] != '.' {
		c.fatalf("%q is no answer", s)
	}
	class, err1 := strconv.ParseUint(s[:1], 10, 8)
	detail, err2 := strconv.ParseUint(s[2:], 10, 8)
	if err := cmp.Or(err1, err2); err != nil {
		c.fatalf("%v", err)
	}
	return messages.NewCoAPCode(uint8(class), uint8(detail))
}

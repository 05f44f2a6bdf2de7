package hostile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// dtlsRecord makes a record without any protection (RFC 6347 section 4.1).
func dtlsRecord(content byte, epoch uint16, sequence uint64, body []byte) []byte {
	r := []byte{content, 0xfe, 0xfd}
	r = binary.BigEndian.AppendUint64(r, uint64(epoch)<<48|sequence)
	r = binary.BigEndian.AppendUint16(r, uint16(len(body)))
	return append(r, body...)
}

// dtlsMessage makes a whole handshake message (RFC 6347 section 4.2.2).
func dtlsMessage(kind byte, sequence uint16, body []byte) []byte {
	length := []byte{byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}
	m := append([]byte{kind}, length...)
	m = binary.BigEndian.AppendUint16(m, sequence)
	m = append(m, 0, 0, 0)
	return append(append(m, length...), body...)
}

// serverHello makes the body of a ServerHello.
func serverHello(version, suite uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, version)
	b = append(b, bytes.Repeat([]byte{0x5a}, 32)...)
	b = append(b, 0)
	return append(binary.BigEndian.AppendUint16(b, suite), 0)
}

// forgeries returns datagrams that somebody without the key can send. The
// genuine ones that the server has sent so far are there to be replayed.
func forgeries(genuine [][]byte) map[string][]byte {
	f := map[string][]byte{
		"nothing":                {},
		"a byte":                 {0x16},
		"zeros":                  make([]byte, 64),
		"random":                 bytes.Repeat([]byte{0xa5, 0x3c, 0x91}, 40),
		"record cut short":       dtlsRecord(22, 0, 9, make([]byte, 50))[:30],
		"empty record":           dtlsRecord(23, 1, 900, nil),
		"zero CID record":        append([]byte{25, 0xfe, 0xfd}, make([]byte, 40)...),
		"close_notify, clear":    dtlsRecord(21, 0, 900, []byte{1, 0}),
		"close_notify, epoch 1":  dtlsRecord(21, 1, 900, []byte{1, 0}),
		"fatal alert, epoch 1":   dtlsRecord(21, 1, 900, []byte{2, 40}),
		"data, clear":            dtlsRecord(23, 0, 900, []byte{0x70, 0, 0, 1}),
		"data, epoch 1":          dtlsRecord(23, 1, 901, bytes.Repeat([]byte{7}, 40)),
		"data, far sequence":     dtlsRecord(23, 1, 1<<48-1, bytes.Repeat([]byte{7}, 40)),
		"data, epoch 2":          dtlsRecord(23, 2, 1, bytes.Repeat([]byte{7}, 40)),
		"ChangeCipherSpec":       dtlsRecord(20, 0, 900, []byte{1}),
		"ChangeCipherSpec, 1":    dtlsRecord(20, 1, 900, []byte{1}),
		"HelloRequest":           dtlsRecord(22, 0, 900, dtlsMessage(0, 0, nil)),
		"HelloRequest, epoch 1":  dtlsRecord(22, 1, 900, dtlsMessage(0, 0, nil)),
		"HelloVerifyRequest":     dtlsRecord(22, 0, 900, dtlsMessage(3, 0, []byte{0xfe, 0xfd, 4, 1, 2, 3, 4})),
		"ServerHello":            dtlsRecord(22, 0, 900, dtlsMessage(2, 1, serverHello(0xfefd, 0xc0a8))),
		"ServerHello, DTLS 1.0":  dtlsRecord(22, 0, 900, dtlsMessage(2, 1, serverHello(0xfeff, 0x002f))),
		"ServerHelloDone":        dtlsRecord(22, 0, 900, dtlsMessage(14, 2, nil)),
		"Finished":               dtlsRecord(22, 1, 900, dtlsMessage(20, 4, make([]byte, 12))),
		"message of 16 MiB":      dtlsRecord(22, 0, 900, append([]byte{2, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 0, 0, 16}, make([]byte, 16)...)),
		"CoAP RST, clear":        {0x70, 0, 0, 1},
		"CoAP DELETE all, clear": {0x40, byte(messages.DELETE), 0, 1},
		"CoAP 4.03, clear":       {0x60, byte(messages.Forbidden), 0, 1},
	}
	for _, alert := range []byte{10, 20, 40, 42, 44, 45, 48, 49, 50, 51, 70, 71, 80, 115} {
		f[fmt.Sprint("fatal alert ", alert)] = dtlsRecord(21, 0, 900, []byte{2, alert})
	}
	for i, data := range genuine {
		f[fmt.Sprint("replay ", i)] = data
	}
	return f
}

// managementAccount is a state directory with the account of a management
// server over PSK, as a bootstrap has stored it.
func managementAccount(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeAndDeliver()
		cfg := w.Factory()
		cfg.StateDir = dir
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
	return dir
}

// copyState gives a client a state directory of its own.
func copyState(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	files, err := filepath.Glob(filepath.Join(from, "credentials.*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// spoofed is a world with one attacker who can write the server's address, and
// who strikes once: before the packet of the link with number at arrives.
type spoofed struct {
	*systemtest.World
	c       *systemtest.Client
	cfg     holdfast.Config
	socket  net.PacketConn
	at      int
	strike  func(p lwm2mtest.Packet) lwm2mtest.Verdict
	packets int      // of the link, so far
	genuine [][]byte // what the server has sent
	struck  bool
	known   bool // the Register had been answered before the strike
	failed  int  // attempts that the strike has cost
}

// timeline runs a client with a stored account from its start to an Update,
// with one strike on the way, and demands that nothing durable has changed and
// the client works. It reports false when the timeline has no such packet.
func timeline(t *testing.T, state string, at int, strike func(s *spoofed, p lwm2mtest.Packet) lwm2mtest.Verdict) (s *spoofed) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s = &spoofed{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), at: at}
		defer s.World.Close()
		s.socket = s.Listen(systemtest.DTLSPort)
		s.Server.ServeManagement(s.socket, lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key))
		s.ServeBootstrap()
		s.Deliver(systemtest.Key)
		s.cfg = s.Factory()
		s.cfg.StateDir = copyState(t, state)
		s.strike = func(p lwm2mtest.Packet) lwm2mtest.Verdict { return strike(s, p) }
		s.run()
	})
	return s
}

func (s *spoofed) run() {
	before := s.World.Durable(s.cfg)
	s.Network.OnPacket(s.watch)
	s.c = s.Start(s.cfg)
	s.c.WaitFor(holdfast.Registered)
	time.Sleep(time.Minute)
	if err := s.c.RegisterUpdate(context.Background()); err != nil {
		s.T.Fatal(err)
	}
	time.Sleep(time.Hour)
	s.Network.OnPacket(nil)
	after := s.World.Durable(s.cfg)
	if s.known && after.Location != "/rd/1" {
		s.T.Errorf("the Location became %s: %s", after.Location, s.c.Story())
	}
	for name, content := range after.Records {
		if !strings.HasPrefix(name, messages.RecordStates) {
			continue
		}
		// The genuine server's Location, in CBOR: this registration's own record.
		if s.known && !strings.Contains(content, "\x82brda1") {
			s.T.Errorf("%s has another Location: %q", name, content)
		}
		delete(after.Records, name)
	}
	after.Location = ""
	if diff := cmp.Diff(before, after); diff != "" {
		s.T.Errorf("the store has changed: %s", diff)
	}
	if n := s.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n > 0 {
		s.T.Errorf("%d bootstraps: %s", n, s.c.Story())
	}
	s.ExpectHealthy(s.c)
	if s.failed = s.errors(); s.failed > 1 {
		s.T.Errorf("%d errors: %s", s.failed, s.c.Story())
	}
	s.c.ExpectClose(nil)
}

// errors counts the errors so far.
func (s *spoofed) errors() (n int) {
	_ = s.c.Story()
	for _, e := range s.c.Seen {
		if e.Type == holdfast.EventError {
			n++
		}
	}
	return n
}

// watch counts the packets of the link and strikes once.
func (s *spoofed) watch(p lwm2mtest.Packet) lwm2mtest.Verdict {
	server := netip.AddrPortFrom(systemtest.ServerAddr, systemtest.DTLSPort)
	if s.struck || p.From != server && p.To != server {
		return lwm2mtest.Verdict{}
	}
	s.packets++
	if s.packets < s.at {
		if p.From == server {
			s.genuine = append(s.genuine, p.Data)
		}
		return lwm2mtest.Verdict{}
	}
	s.struck, s.known = true, s.Server.Registered(systemtest.Endpoint) && s.Server.Registers(systemtest.Endpoint) > 0
	return s.strike(p)
}

// send sends a datagram to the client's end of the link that a packet is on.
func (s *spoofed) send(p lwm2mtest.Packet, data []byte) {
	client := p.To
	if p.From.Addr() == systemtest.GatewayAddr {
		client = p.From
	}
	if _, err := s.socket.WriteTo(data, net.UDPAddrFromAddrPort(client)); err != nil {
		s.T.Error(err)
	}
}

// No single spoofed datagram on a DTLS link changes anything durable:
// credentials, accounts, Location. The forgeries are tried before every packet
// of a client's life from the first ClientHello to the answer of an Update.
// Row 30: that includes cleartext alerts.
func TestHostile30NoSpoofedDatagramChangesAnythingDurable(t *testing.T) {
	state := managementAccount(t)
	worlds, failed := 0, 0
	for at := 1; ; at++ {
		var names []string
		s := timeline(t, state, at, func(s *spoofed, _ lwm2mtest.Packet) lwm2mtest.Verdict {
			names = slices.Sorted(maps.Keys(forgeries(s.genuine)))
			return lwm2mtest.Verdict{}
		})
		if !s.struck {
			t.Logf("%d forgeries over %d packets; %d cost an attempt", worlds, at-1, failed)
			return
		}
		for _, name := range names {
			t.Run(fmt.Sprintf("packet %d %s", at, name), func(t *testing.T) {
				s := timeline(t, state, at, func(s *spoofed, p lwm2mtest.Packet) lwm2mtest.Verdict {
					s.send(p, forgeries(s.genuine)[name])
					return lwm2mtest.Verdict{}
				})
				worlds++
				failed += s.failed
			})
		}
	}
}

// Row 30: the same for a spoofed ICMP "port unreachable" in answer to any
// packet of the client.
func TestHostile30NoSpoofedRefusalChangesAnythingDurable(t *testing.T) {
	state := managementAccount(t)
	for at := 1; ; at++ {
		s := timeline(t, state, at, func(_ *spoofed, p lwm2mtest.Packet) lwm2mtest.Verdict {
			return lwm2mtest.Verdict{Refuse: p.From.Addr() == systemtest.GatewayAddr}
		})
		if !s.struck {
			return
		}
	}
}

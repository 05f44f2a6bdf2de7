package lwm2mtest

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func nameQuestion(t testing.TB, name string, kind dnsmessage.Type, edns bool) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	if edns {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(1232, dnsmessage.RCodeSuccess, false); err != nil {
			t.Fatal(err)
		}
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// askName returns the code of the answer and how many addresses it has; ok is
// false where there is none.
func askName(t *testing.T, n *NameServer, query []byte, tcp bool) (m dnsmessage.Message, ok bool) {
	t.Helper()
	answers := n.answer(query, tcp)
	if len(answers) == 0 {
		return m, false
	}
	if err := m.Unpack(answers[len(answers)-1]); err != nil || !m.Response || m.ID != 7 || len(m.Questions) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	return m, true
}

func TestNameServerManners(t *testing.T) {
	const a, aaaa = dnsmessage.TypeA, dnsmessage.TypeAAAA
	for name, c := range map[string]struct {
		manners   NameManners
		kind      dnsmessage.Type
		edns, tcp bool
		answered  bool
		code      dnsmessage.RCode
		truncated bool
		addresses int
	}{
		"good":                 {NameManners{}, a, true, false, true, 0, false, 2},
		"good, IPv6":           {NameManners{}, aaaa, true, true, true, 0, false, 1},
		"silent":               {NameManners{Silent: true}, a, true, true, false, 0, false, 0},
		"silent about IPv4":    {NameManners{SilentA: true}, a, false, false, false, 0, false, 0},
		"but not about IPv6":   {NameManners{SilentA: true}, aaaa, false, false, true, 0, false, 1},
		"silent about IPv6":    {NameManners{SilentAAAA: true}, aaaa, false, false, false, 0, false, 0},
		"silent below a name":  {NameManners{SilentBelow: "test"}, a, false, false, false, 0, false, 0},
		"but not beside it":    {NameManners{SilentBelow: "est"}, a, false, false, true, 0, false, 2},
		"refuses":              {NameManners{Code: 5}, a, false, false, true, dnsmessage.RCodeRefused, false, 0},
		"FORMERR":              {NameManners{EDNS: EDNSFormErr}, a, true, false, true, dnsmessage.RCodeFormatError, false, 0},
		"no FORMERR":           {NameManners{EDNS: EDNSFormErr}, a, false, false, true, 0, false, 2},
		"NOTIMP":               {NameManners{EDNS: EDNSNotImp}, a, true, false, true, dnsmessage.RCodeNotImplemented, false, 0},
		"drops EDNS":           {NameManners{EDNS: EDNSDropped}, a, true, false, false, 0, false, 0},
		"truncates":            {NameManners{Truncate: true}, a, false, false, true, 0, true, 0},
		"not with EDNS":        {NameManners{Truncate: true}, a, true, false, true, 0, false, 2},
		"with EDNS":            {NameManners{TruncateEDNS: true}, a, true, false, true, 0, true, 0},
		"not over TCP":         {NameManners{Truncate: true, TruncateEDNS: true}, a, false, true, true, 0, false, 2},
		"a good one comes too": {NameManners{Forge: true}, a, false, false, true, 0, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			n := NewNameServer()
			defer n.Close()
			n.Set("GW.test", netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1"))
			n.Behave(c.manners)
			m, ok := askName(t, n, nameQuestion(t, "gw.TEST.", c.kind, c.edns), c.tcp)
			if ok != c.answered || m.RCode != c.code || m.Truncated != c.truncated || len(m.Answers) != c.addresses {
				t.Errorf("%v, %v", ok, m)
			}
			queries := n.Queries()
			if len(queries) != 1 || queries[0].Name != "gw.test" || queries[0].IPv6 != (c.kind == aaaa) || queries[0].EDNS != c.edns || queries[0].TCP != c.tcp {
				t.Errorf("%+v", queries)
			}
		})
	}
}

func TestNameServerNames(t *testing.T) {
	n := NewNameServer()
	defer n.Close()
	n.Set("empty.test")
	if m, ok := askName(t, n, nameQuestion(t, "empty.test.", dnsmessage.TypeA, false), false); !ok || m.RCode != 0 || len(m.Answers) != 0 {
		t.Errorf("%v", m)
	}
	n.Remove("Empty.test")
	if m, ok := askName(t, n, nameQuestion(t, "empty.test.", dnsmessage.TypeA, false), false); !ok || m.RCode != dnsmessage.RCodeNameError {
		t.Errorf("%v", m)
	}
}

func TestNameServerIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNameServer()
		n.Set("gw.test", netip.MustParseAddr("192.0.2.1"))
		n.Behave(NameManners{Delay: time.Second, DelayA: time.Minute, DelayAAAA: time.Hour})
		for kind, want := range map[dnsmessage.Type]time.Duration{
			dnsmessage.TypeA: time.Second + time.Minute, dnsmessage.TypeAAAA: time.Second + time.Hour,
		} {
			began := time.Now()
			if _, ok := askName(t, n, nameQuestion(t, "gw.test.", kind, false), false); !ok || time.Since(began) != want {
				t.Errorf("%v: %v after %v", kind, ok, time.Since(began))
			}
		}
		go n.Close()
		if _, ok := askName(t, n, nameQuestion(t, "gw.test.", dnsmessage.TypeA, false), false); ok {
			t.Error("answered after Close")
		}
	})
}

// Forged answers have addresses of their own, and do not answer the question.
func TestNameServerForges(t *testing.T) {
	n := NewNameServer()
	defer n.Close()
	n.Set("gw.test", netip.MustParseAddr("192.0.2.1"))
	n.Behave(NameManners{Forge: true})
	answers := n.answer(nameQuestion(t, "gw.test.", dnsmessage.TypeA, false), false)
	if len(answers) != 4 {
		t.Fatalf("%d messages", len(answers))
	}
	good, ok := netip.AddrFrom4([4]byte{192, 0, 2, 1}).As4(), false
	for i, raw := range answers[1:] {
		var m dnsmessage.Message
		if err := m.Unpack(raw); err != nil {
			t.Fatal(err)
		}
		last := i == 2
		if ok = slices.Equal(m.Answers[0].Body.(*dnsmessage.AResource).A[:], good[:]); ok != last {
			t.Errorf("message %d: %v", i, m)
		}
	}
}

// Whatever is sent to it, a name server goes on, and answers questions only.
func FuzzNameServer(f *testing.F) {
	f.Add(nameQuestion(f, "gw.test.", dnsmessage.TypeA, true), false)
	f.Add([]byte("\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"), true)
	n := NewNameServer()
	defer n.Close()
	n.Behave(NameManners{Forge: true})
	f.Fuzz(func(t *testing.T, query []byte, tcp bool) {
		for _, answer := range n.answer(query, tcp) {
			var m dnsmessage.Message
			if err := m.Unpack(answer); err == nil && !m.Response {
				t.Errorf("%x was answered %x", query, answer)
			}
		}
	})
}

// A connection that has ended is not kept for Close.
func TestNameServerForgetsConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := NewNameServer()
	defer n.Close()
	n.ServeListener(l)
	query := nameQuestion(t, "gw.test.", dnsmessage.TypeA, false)
	for range 3 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || len(answer) == 0 { // to the end
			t.Errorf("%d bytes, %v", len(answer), err)
		}
		_ = conn.Close()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.closers) != 1 {
		t.Errorf("%d of the listener and its connections are kept", len(n.closers))
	}
}

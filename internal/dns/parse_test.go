package dns

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestParseConf(t *testing.T) {
	for text, want := range map[string]conf{
		"":                                   {ndots: 1},
		"nameserver 192.0.2.1 # first\n":     {ndots: 1, servers: []string{"192.0.2.1:53"}},
		"; a comment\nnameserver fe80::1%lo": {ndots: 1, servers: []string{"[fe80::1%lo]:53"}},
		"nameserver\nnameserver x\nnameserver 1.2.3":     {ndots: 1},
		"domain a.test\nsearch b.test. . c..test d.test": {ndots: 1, search: []string{"b.test", "d.test"}},
		"options ndots:99 rotate ndots: ndots:-1":        {ndots: maxDots},
		strings.Repeat("nameserver 192.0.2.1\n", 20):     {ndots: 1, servers: slices.Repeat([]string{"192.0.2.1:53"}, maxServers)},
	} {
		got := parseConf(text)
		if got.ndots != want.ndots || !slices.Equal(got.servers, want.servers) || !slices.Equal(got.search, want.search) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	c := conf{ndots: 2, search: []string{"a.test", strings.Repeat("long.", 49) + "test"}}
	for host, want := range map[string]string{
		"gw": "gw.a.test gw", "gw.x": "gw.x.a.test gw.x", "gw.x.y": "gw.x.y gw.x.y.a.test", "gw.": "gw",
	} {
		want := strings.Fields(want)
		got := slices.DeleteFunc(c.names(host), func(n string) bool { return strings.Contains(n, "long") })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
	for _, n := range c.names(strings.Repeat("a", 63)) {
		if len(n) > 253 {
			t.Errorf("a name of %d bytes", len(n))
		}
	}
}

func TestIsDomainName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "a.b": true, "": false, ".": false, "a.": false, ".a": false, "a..b": false,
		strings.Repeat("a", 63): true, strings.Repeat("a", 64): false,
		strings.Repeat("a.", 126) + "a": true, strings.Repeat("a.", 127) + "a": false,
	} {
		if got := isDomainName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// Whatever a name server sends, reading it ends, and what is taken is bounded.
func FuzzParse(f *testing.F) {
	q, err := newQuestion("gw.test", dnsmessage.TypeA)
	if err != nil {
		f.Fatal(err)
	}
	query, err := q.query(7, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(query)
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: true},
		Questions: []dnsmessage.Question{{Name: q.name, Type: q.family, Class: dnsmessage.ClassINET}},
		Answers: []dnsmessage.Resource{
			{
				Header: dnsmessage.ResourceHeader{Name: q.name, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("x.test.")},
			},
			{
				Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("x.test."), Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}},
			},
		},
		Authorities: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.name, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.NSResource{NS: dnsmessage.MustNewName("ns.test.")},
		}},
	}
	raw, err := answer.Pack()
	if err != nil {
		f.Fatal(err)
	}
	if a, ours := q.parse(7, raw); !ours || len(a.addrs) != 1 || a.truncated || a.lame {
		f.Fatalf("%+v, %v", a, ours)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, message []byte) {
		a, ours := q.parse(7, message)
		if len(a.addrs) > maxAnswers || !ours && len(a.addrs) > 0 || a.lame && len(a.addrs) > 0 {
			t.Errorf("%+v, %v", a, ours)
		}
		for _, addr := range a.addrs {
			if !addr.Is4() {
				t.Errorf("%v for a question about IPv4", addr)
			}
		}
	})
}

// A name server that hands the question on to others, instead of asking them.
func TestAReferralIsNoAnswer(t *testing.T) {
	q, err := newQuestion("gw.test", dnsmessage.TypeAAAA)
	if err != nil {
		t.Fatal(err)
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: true},
		Questions: []dnsmessage.Question{{Name: q.name, Type: q.family, Class: dnsmessage.ClassINET}},
		Authorities: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.name, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.NSResource{NS: dnsmessage.MustNewName("ns.test.")},
		}},
	}
	for _, recursive := range []bool{false, true} {
		m.RecursionAvailable = recursive
		raw, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if a, ours := q.parse(7, raw); !ours || a.lame == recursive {
			t.Errorf("recursive %v: %+v, %v", recursive, a, ours)
		}
	}
}

// An error over TCP, or because of EDNS, takes no address away.
func TestWhatReplacesATruncatedAnswer(t *testing.T) {
	some := answer{truncated: true, addrs: []netip.Addr{four}}
	for _, c := range []struct {
		whole, short answer
		want         bool
	}{
		{answer{addrs: []netip.Addr{four}}, some, true},
		{answer{code: dnsmessage.RCodeNameError}, some, true},
		{answer{code: dnsmessage.RCodeFormatError}, some, false},
		{answer{code: dnsmessage.RCodeRefused}, some, false},
		{answer{code: dnsmessage.RCodeFormatError}, answer{truncated: true}, true},
		{some, some, false},
	} {
		if got := c.whole.replaces(c.short); got != c.want {
			t.Errorf("%+v for %+v: %v", c.whole, c.short, got)
		}
	}
}

// An answer with a service binding whose parameter is longer than the message, which made
// dnsmessage panic before golang.org/x/net v0.56.0 (CVE-2026-46600), is an answer like others
// that say nothing.
func TestServiceBindingBeyondTheMessage(t *testing.T) {
	const httpsRecord = 65 // RFC 9460 section 14.1
	q, err := newQuestion("gw.test", dnsmessage.TypeA)
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []uint16{5, 0x7fff, 0xffff} {
		for _, kind := range []dnsmessage.Type{httpsRecord, 64} {
			body := []byte{0, 1, 0, 0, 3, byte(length >> 8), byte(length), 1} // priority, target ".", port and its length
			b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 7, Response: true})
			name := dnsmessage.MustNewName("gw.test.")
			_ = b.StartQuestions()
			_ = b.Question(dnsmessage.Question{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET})
			_ = b.StartAnswers()
			header := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}
			if err := b.UnknownResource(header, dnsmessage.UnknownResource{Type: kind, Data: body}); err != nil {
				t.Fatal(err)
			}
			message, err := b.Finish()
			if err != nil {
				t.Fatal(err)
			}
			if a, _ := q.parse(7, message); len(a.addrs) > 0 {
				t.Errorf("type %d, length %d: %v", kind, length, a.addrs)
			}
			var p dnsmessage.Parser
			if _, err := p.Start(message); err != nil {
				t.Fatal(err)
			}
			_ = p.SkipAllQuestions()
			if _, err := p.Answer(); err == nil {
				t.Errorf("type %d: the parser takes a parameter of %d bytes of which one is there", kind, length)
			}
		}
	}
}

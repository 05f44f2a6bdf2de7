package download

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

func faultOf(err error) URIFault {
	var e *URIError
	if errors.As(err, &e) {
		return e.Fault
	}
	return 0
}

func TestParse(t *testing.T) {
	for raw, want := range map[string]Location{
		"http://host.example":                    {Scheme: "http", Host: "host.example", Port: 80, Target: "/"},
		"HTTPS://Host.Example/A/b?q=1&r=%2f":     {Scheme: "https", Host: "host.example", Port: 443, Target: "/A/b?q=1&r=%2f"},
		"http://host.example:8080?q":             {Scheme: "http", Host: "host.example", Port: 8080, Target: "/?q"},
		"http://host.example:/x":                 {Scheme: "http", Host: "host.example", Port: 80, Target: "/x"},
		"http://host.example:5683/x":             {Scheme: "http", Host: "host.example", Port: 5683, Target: "/x"},
		"https://[2001:DB8::1]/x":                {Scheme: "https", Host: "2001:db8::1", Port: 443, Target: "/x"},
		"https://[2001:db8::1]:8443/../x":        {Scheme: "https", Host: "2001:db8::1", Port: 8443, Target: "/../x"},
		"http://192.0.2.1/x":                     {Scheme: "http", Host: "192.0.2.1", Port: 80, Target: "/x"},
		"http://10.0.0.1/x":                      {Scheme: "http", Host: "10.0.0.1", Port: 80, Target: "/x"},
		"http://h%6Fst.example/x":                {Scheme: "http", Host: "host.example", Port: 80, Target: "/x"},
		"http://0xcafe.example/x":                {Scheme: "http", Host: "0xcafe.example", Port: 80, Target: "/x"},
		"http://host.example/?a=/?b:@!$&'()*+,;": {Scheme: "http", Host: "host.example", Port: 80, Target: "/?a=/?b:@!$&'()*+,;"},
		"coaps://host.example/a/b": {
			Scheme: "coaps", Host: "host.example", Port: 5684,
			CoAP: uri.URI{Scheme: "coaps", Host: "host.example", Port: 5684, Path: []string{"a", "b"}},
		},
	} {
		got, err := Policy{}.Parse(raw)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", raw, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for want, uris := range map[URIFault][]string{
		Malformed: {
			"", "image", "host:5683/x", "localhost:80", "//host/x", "/etc/passwd", "http:", "http:/host", "http:host",
			"http://", "http:///x", "http://:80/x", "http://u:p@host/x", "http://u@host/x", "http://host/x#f", "http://host/a b",
			"http://host/\r\nX: y", "http://host/\x00", "http://host/é", `http://host\@other/`, `http://host/\x`, "http://host:0/",
			"http://host:65536/", "http://host:-1/", "http://host:8x/", "http://host/%", "http://host/%2", "http://host/%zz", "http://host/?%g0",
			"http://ho%00st/", "http://host/<x>", `http://host/"`, "http://host/[x]", "http://host/?[x]", "http://host/{x}", "http://[::1",
			"http://::1/", "http://[::1]x/", "http://[127.0.0.1]/", "http://[fe80::1%eth0]/", "http://ho_st-/", "http://-host/",
			"http://" + strings.Repeat("a", 64) + ".example/", "http://host/" + strings.Repeat("x", 244),
			// Addresses that the operating system's resolver may take.
			"http://2130706433/", "http://127.1/", "http://0x7f.1/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.0.0.0x1/",
			"http://127.0.0.1./", "http://0x7f000001./", "http://1.2.3.4.5/", "http://256.0.0.1/", "http://host.1/", "http://0x/", "coap://0X7F.0.0.0x1/",
			"coap://127.0.0.1./", "http://%30x7f000001/",
		},
		UnsupportedScheme: {
			"file:///etc/passwd", "file:/etc/passwd", "ftp://host/x", "coap+tcp://host/x", "coaps+tcp://host", "data:text/plain,x", "javascript:alert(1)",
			"gopher://127.0.0.1:70/x", "tftp://host/x", "coap+ws://host", "FILE:///x", "http+unix://x", "ws://host:80/",
		},
		NotAllowed: {
			"http://127.0.0.1/x", "https://127.8.8.8:8443/x", "http://169.254.169.254/latest/meta-data", "coap://127.0.0.1/x", "coaps://[::1]:5684",
			"http://0.0.0.0/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:169.254.169.254]/", "coap://[::127.0.0.1]/",
			"http://[fe80::1%25eth0]/", "http://[64:ff9b::7f00:1%25eth0]/", "http://224.0.0.1/", "http://255.255.255.255/", "coap://[ff02::fd]/x",
			"http://localhost/", "http://LOCALHOST:8080/", "http://localhost./", "http://x.localhost/", "coap://x.localhost./", "http://%6cocalhost/", "http://127.0.0.%31/",
			"http://host.example:22/", "http://192.0.2.1:25/", "https://host.example:81/x",
		},
	} {
		for _, raw := range uris {
			_, err := Policy{}.Parse(raw)
			if faultOf(err) != want {
				t.Errorf("%q: %v, want fault %d", raw, err, want)
			}
		}
	}
}

func TestTheLongestURI(t *testing.T) {
	raw := "http://host/" + strings.Repeat("x", 243)
	if _, err := (Policy{}).Parse(raw); len(raw) != 255 || err != nil {
		t.Errorf("%d bytes: %v", len(raw), err)
	}
}

func TestHostsThatAreAllowed(t *testing.T) {
	p := Policy{
		Hosts: []string{"Localhost", "127.0.0.2:8080", "::1", "[fe80::1]:5683", "fe80::2%eth0", "host.example:22", "mail.example", "127.0.0.4/x", ""},
		Own:   []Host{{"127.0.0.3", 5683}, {"own.localhost", 5684}},
	}
	for raw, want := range map[string]bool{
		"http://localhost/x": true, "http://LOCALHOST.:8080/": true, "https://localhost:22/": true, "http://x.localhost/": false,
		"http://127.0.0.2:8080/": true, "http://127.0.0.2/": false, "http://[::ffff:127.0.0.2]:8080/": true, "http://127.0.0.1/": false,
		"coap://[::1]/x": true, "coap://[fe80::1]/x": true, "coap://[fe80::1]:5684/x": false, "coap://[fe80::1%25eth0]/x": false,
		"coap://[fe80::2%25eth0]/x": true, "http://host.example:22/": true, "http://host.example:25/": false, "http://mail.example:25/": true,
		"coap://127.0.0.3/x": true, "coap://127.0.0.3:5684/x": false, "coaps://own.localhost/x": true, "http://127.0.0.4/": false,
	} {
		if _, err := p.Parse(raw); (err == nil) != want || err != nil && faultOf(err) != NotAllowed {
			t.Errorf("%s: %v, want it allowed: %t", raw, err, want)
		}
	}
}

func TestAddress(t *testing.T) {
	p := Policy{Hosts: []string{"gateway.example", "127.0.0.1", "other.example:8080"}}
	for _, test := range []struct {
		uri, addr string
		want      bool
	}{
		{"http://host.example/", "192.0.2.1", true},
		{"http://host.example/", "10.0.0.1", true},
		{"http://host.example/", "127.0.0.1", false}, // an address in the list allows no names
		{"http://host.example/", "::ffff:127.0.0.1", false},
		{"http://host.example/", "169.254.169.254", false},
		{"http://gateway.example/", "127.0.0.1", true},
		{"http://127.0.0.1/", "127.0.0.1", true},
		{"http://other.example:8080/", "::1", true},
		{"http://other.example/", "::1", false},
	} {
		l, err := p.Parse(test.uri)
		if err != nil {
			t.Fatal(test.uri, err)
		}
		if err := p.Address(l, netip.MustParseAddr(test.addr)); (err == nil) != test.want || err != nil && faultOf(err) != NotAllowed {
			t.Errorf("%s at %s: %v, want it allowed: %t", test.uri, test.addr, err, test.want)
		}
	}
}

func TestParseHost(t *testing.T) {
	for s, want := range map[string]Host{
		"Host.Example": {"host.example", 0}, "host:80": {"host", 80}, "127.0.0.1:5683": {"127.0.0.1", 5683}, "::1": {"::1", 0},
		"[::1]": {"::1", 0}, "[::1]:80": {"::1", 80}, "fe80::1%eth0": {"fe80::1%eth0", 0}, "[fe80::1%25eth0]:1": {"fe80::1%eth0", 1},
		"host:": {"host", 0}, "::ffff:127.0.0.1": {"127.0.0.1", 0},
	} {
		if got, err := ParseHost(s); err != nil || got != want {
			t.Errorf("%s: %+v %v, want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "http://host", "host/x", "host?x", "host#x", "u@host", "a b", "host:0", "127.1", "0x7f000001", "*.example", "10.0.0.0/8", "[::1", ":80"} {
		if got, err := ParseHost(s); faultOf(err) != Malformed {
			t.Errorf("%q: %+v %v, want it refused", s, got, err)
		}
	}
}

// What people see says what to do, and repeats no query and no password.
func TestURIErrorTexts(t *testing.T) {
	for raw, want := range map[string]string{
		"http://127.0.0.1/x?key=secret":    `no image may be fetched from "127.0.0.1:80": to allow it, name the host in firmware.allow_hosts`,
		"file:///etc/passwd":               "image URI: the scheme is not supported: use coap, coaps, http or https",
		"http://user:secret@host.example/": "image URI: the host must not carry a user name: credentials have their own settings",
		"http://host.example/%":            "image URI: the path has a percent sign without two hexadecimal digits: write %25 for a percent sign",
	} {
		if _, err := (Policy{}).Parse(raw); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
	l, err := Policy{}.Parse("http://host.example/x?key=secret")
	if err != nil || l.String() != "http://host.example/x" {
		t.Errorf("%s %v", l, err)
	}
	want := `no image may be fetched from "host.example:80", which is ::1: to allow it, name the host in firmware.allow_hosts`
	if err := (Policy{}).Address(l, netip.IPv6Loopback()); err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestLocationStrings(t *testing.T) {
	for raw, want := range map[string]string{
		"coap://host.example/x?key=secret": "coap://host.example/x", "http://[2001:db8::1]/x": "http://[2001:db8::1]/x",
		"https://[2001:db8::1]:8443/": "https://[2001:db8::1]:8443/", "http://host.example.:8080/x": "http://host.example:8080/x",
		"https://[2001:db8::1%25eth0]/": "https://[2001:db8::1]/",
	} {
		if l, err := (Policy{}).Parse(raw); err != nil || l.String() != want {
			t.Errorf("%s: %s %v, want %s", raw, l, err, want)
		}
	}
}

// Whatever is accepted is of a known scheme, not local, and fit to be written into a request.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"http://host/x?y", "https://[::1%25e]:1/", "coap://h/a//b", "http://0x7f.1", "http://127.0.0.1.", "file:///x", "http://u@h", "http://h\r\n",
		"http://[::ffff:127.0.0.1]", "http://%6c%6f", "http://h:00080", "coaps://2130706433", "http://a.localhost.", "http://h?/@", `http:\\h`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		l, err := Policy{}.Parse(raw)
		if err != nil {
			if faultOf(err) == 0 {
				t.Fatalf("untyped error %T", err)
			}
			return
		}
		if addr, err := netip.ParseAddr(l.Host); err == nil && Local(addr) || l.Host == "" || l.Port == 0 || strings.ContainsAny(l.HostPort(), " \r\n@/\\#") {
			t.Fatalf("%q gives %+v", raw, l)
		}
		switch {
		case l.HTTP():
			if !strings.HasPrefix(l.Target, "/") || strings.ContainsFunc(l.Target, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }) {
				t.Fatalf("%q has the target %q", raw, l.Target)
			}
			again, err := Policy{}.parse(l.Scheme+"://"+l.authority()+l.Target, 3*len(raw)+10)
			if err != nil || again.Target != l.Target || again.Port != l.Port || again.serverName() != l.serverName() {
				t.Fatalf("%q: %+v, again %+v %v", raw, l, again, err)
			}
		case l.Scheme != uri.SchemeCoAP && l.Scheme != uri.SchemeCoAPS || l.CoAP.Host != l.Host || l.CoAP.Port != l.Port:
			t.Fatalf("%q gives %+v", raw, l)
		}
	})
}

func FuzzParseHost(f *testing.F) {
	for _, seed := range []string{"h", "h:1", "[::1]:2", "::1%e", "127.0.0.1", "0x1", "a..b", "[", "h:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHost(s)
		if err != nil && faultOf(err) == 0 {
			t.Fatalf("untyped error %T", err)
		}
		if err == nil && !(Policy{Hosts: []string{s}}).Named(h.Name, max(h.Port, 1)) {
			t.Fatalf("%q does not allow itself", s)
		}
	})
}

package requests

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

func parse(t testing.TB, s string) uri.URI {
	t.Helper()
	u, err := uri.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// describe shows a request as a URI writes it.
func describe(r messages.Request) string {
	s := r.Code.String() + " /" + strings.Join(r.Path, "/")
	if len(r.Query) > 0 {
		s += "?" + strings.Join(r.Query, "&")
	}
	if r.ContentFormat != nil {
		s += fmt.Sprintf(" %d %s", *r.ContentFormat, r.Payload)
	}
	return s
}

func TestRequests(t *testing.T) {
	server, lifetime := parse(t, "coap://h/a/b?aid=1"), 90*time.Second
	pct := messages.FormatSenMLCBOR
	for want, r := range map[string]messages.Request{
		"0.02 /a/b/rd?aid=1&ep=gw&lt=90&lwm2m=1.1&b=U 40 </1>":   Register(server, "gw", "1.1", lifetime, false, []byte("</1>")),
		"0.02 /a/b/rd?aid=1&ep=gw&lt=90&lwm2m=1.0 40 </1>":       Register(server, "gw", "1.0", lifetime, false, []byte("</1>")),
		"0.02 /a/b/rd?aid=1&ep=gw&lt=90&lwm2m=1.1&b=U&Q 40 </1>": Register(server, "gw", "1.1", lifetime, true, []byte("</1>")),
		"0.02 /a/b/rd?aid=1&ep=gw&lt=90&lwm2m=1.0&b=UQ 40 </1>":  Register(server, "gw", "1.0", lifetime, true, []byte("</1>")),
		"0.02 /a/b/bs?aid=1&ep=gw&pct=112":                       Bootstrap(server, "gw", &pct),
		"0.02 /a/b/bs?aid=1&ep=gw":                               Bootstrap(server, "gw", nil),
		"0.02 /rd/5":                                             Update([]string{"rd", "5"}, nil, nil, nil),
		"0.02 /rd/5?b=U":                                         Update([]string{"rd", "5"}, nil, Binding("1.0", false), nil),
		"0.02 /rd/5?b=UQ":                                        Update([]string{"rd", "5"}, nil, Binding("1.0", true), nil),
		"0.02 /rd/5?b=U&Q":                                       Update([]string{"rd", "5"}, nil, Binding("1.1", true), nil),
		"0.02 /rd/5?lt=90 40 </1>":                               Update([]string{"rd", "5"}, &lifetime, nil, []byte("</1>")),
		"0.02 /a/b/dp?aid=1 112 x":                               Send(server, messages.FormatSenMLCBOR, []byte("x")),
		"0.04 /rd/5":                                             Deregister([]string{"rd", "5"}),
	} {
		if got := describe(r); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, server.Path); diff != "" {
		t.Error("composing has changed the URI", diff)
	}
}

// A slash at the end of the server's URI is no segment of its own.
func TestPathsAreJoined(t *testing.T) {
	for base, want := range map[string]string{
		"coap://h": "", "coap://h/": "", "coap://h/iot": "/iot", "coap://h/iot/": "/iot", "coap://h/iot/?aid=1": "/iot", "coap://h/a//": "/a/", "coap://h//": "/",
	} {
		server := parse(t, base)
		for resource, r := range map[string]messages.Request{
			"rd": Register(server, "gw", "1.1", time.Minute, false, nil), "bs": Bootstrap(server, "gw", nil), "dp": Send(server, 112, nil),
		} {
			if got := "/" + strings.Join(r.Path, "/"); got != want+"/"+resource {
				t.Errorf("%s: %s", base, got)
			}
		}
	}
}

// What is escaped in the URI is part of its segment or argument, and the query stands
// before ours.
func TestURIPartsStayApart(t *testing.T) {
	for base, want := range map[string]struct{ path, query []string }{
		"coap://h/a%2Fb/?x=1":            {[]string{"a/b", "rd"}, []string{"x=1"}},
		"coap://h/a%3Fb?x%26y&z":         {[]string{"a?b", "rd"}, []string{"x&y", "z"}},
		"coap://h/a/./b/../c/":           {[]string{"a", "c", "rd"}, nil},
		"coap://h?x=a/b":                 {[]string{"rd"}, []string{"x=a/b"}},
		"coap://h/?":                     {[]string{"rd"}, nil},
		"coap://[fe80::1%25eth0]/iot/?x": {[]string{"iot", "rd"}, []string{"x"}},
	} {
		r := Register(parse(t, base), "gw", Version10, time.Minute, false, nil)
		ours := []string{"ep=gw", "lt=60", "lwm2m=1.0"}
		if !slices.Equal(r.Path, want.path) || !slices.Equal(r.Query, append(want.query, ours...)) {
			t.Errorf("%s: %q %q", base, r.Path, r.Query)
		}
	}
}

// withParts is a URI with that many path segments and arguments.
func withParts(t *testing.T, segments, arguments int) uri.URI {
	s := "coap://h" + strings.Repeat("/a", segments)
	if arguments > 0 {
		s += "?" + strings.TrimSuffix(strings.Repeat("b&", arguments), "&")
	}
	return parse(t, s)
}

// TestRoom: of the 64 options of a message a Register itself takes 9, with
// those of a payload in blocks and an Echo, one more in queue mode, and a Bootstrap-Request 5.
func TestRoom(t *testing.T) {
	register := func(queue bool) func(uri.URI) error {
		return func(server uri.URI) error { return CheckManagement(server, queue) }
	}
	for _, c := range []struct {
		name  string
		check func(uri.URI) error
		room  int
	}{{"Register", register(false), 55}, {"Register", register(true), 54}, {"Bootstrap-Request", CheckBootstrap, 59}} {
		for _, arguments := range []int{0, 1, 20} {
			if err := c.check(withParts(t, c.room-arguments, arguments)); err != nil {
				t.Errorf("%s, %d arguments: %v", c.name, arguments, err)
			}
			err := c.check(withParts(t, c.room-arguments+1, arguments))
			want := fmt.Sprintf("%d path segments and arguments, where the %s has room for %d", c.room+1, c.name, c.room)
			if wrong, ok := errors.AsType[*RoomError](err); !ok || wrong.Error() != want {
				t.Errorf("%s, %d arguments too many: %v", c.name, arguments, err)
			}
		}
	}
	if CheckLocation(make([]string, 57)) != nil || CheckLocation(make([]string, 58)) == nil {
		t.Error("an Update itself does not take 7 options")
	}
}

// TestRoomyIsRoom: the longest of what passes without being composed can be sent.
func TestRoomyIsRoom(t *testing.T) {
	lifetime := time.Duration(math.MaxInt64)
	preferred := messages.Format(math.MaxUint16)
	for inPath := range roomyParts + 1 {
		parts := slices.Repeat([]string{strings.Repeat("a", roomyLength)}, roomyParts)
		server := uri.URI{Path: parts[:inPath], Query: parts[inPath:]}
		if !roomy(server.Path, server.Query) || roomy(append(parts, "")) || roomy([]string{strings.Repeat("a", roomyLength+1)}) {
			t.Fatal("these are not the bounds")
		}
		for _, r := range []messages.Request{
			Register(server, longestName, "1.1", lifetime, true, longestBody), Bootstrap(server, longestName, &preferred),
			Update(parts, &lifetime, Binding("1.1", true), longestBody),
		} {
			if err := check("", r, roomyParts); err != nil {
				t.Error(err)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { _ = CheckManagement(uri.URI{Path: []string{"a"}}, true) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRoomOfLongParts: no part of a URI of 255 bytes is too long for its option;
// a Location is another matter.
func TestRoomOfLongParts(t *testing.T) {
	for _, u := range []string{"coap://h/" + strings.Repeat("a", 246), "coap://h?" + strings.Repeat("a", 246)} {
		if err := errors.Join(CheckManagement(parse(t, u), true), CheckBootstrap(parse(t, u))); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
	for name, location := range map[string][]string{
		"a segment of 256 bytes": {strings.Repeat("a", 256)},
		"2 KiB":                  {strings.Repeat("a", 255), strings.Repeat("a", 255), strings.Repeat("a", 255), strings.Repeat("a", 255), strings.Repeat("a", 255), strings.Repeat("a", 255), strings.Repeat("a", 255), strings.Repeat("a", 255)},
	} {
		var format *coap.FormatError
		if err := CheckLocation(location); !errors.As(err, &format) || !strings.HasPrefix(err.Error(), "the Update cannot be encoded: coap: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatFitsCanBeSent: where the check passes, every request fits that is not
// longer than the longest, in every form in which the message layer sends it.
func TestWhatFitsCanBeSent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		u := uri.URI{
			Path:  rapid.SliceOfN(rapid.StringN(0, 20, 30), 0, 70).Draw(rt, "path"),
			Query: rapid.SliceOfN(rapid.StringN(0, 20, 30), 0, 70).Draw(rt, "query"),
		}
		name := rapid.StringN(1, -1, MaxEndpoint).Draw(rt, "endpoint")
		lifetime := time.Duration(rapid.Int64Min(0).Draw(rt, "lifetime"))
		version := rapid.SampledFrom([]string{"1.0", "1.1"}).Draw(rt, "version")
		pct := messages.Format(rapid.Uint16().Draw(rt, "pct"))
		if CheckManagement(u, true) == nil {
			encodes(rt, Register(u, name, version, lifetime, true, []byte("</1>")))
			encodes(rt, Send(u, messages.FormatSenMLCBOR, []byte("x")))
		}
		if CheckBootstrap(u) == nil {
			encodes(rt, Bootstrap(u, name, &pct))
		}
		if CheckLocation(u.Path) == nil {
			encodes(rt, Update(u.Path, &lifetime, Binding("1.1", true), []byte("</1>")))
			encodes(rt, Deregister(u.Path))
		}
	})
}

func encodes(t *rapid.T, r messages.Request) {
	for _, msg := range []coap.Message{Message(r), longest(r)} {
		if _, err := coap.Encode(msg); err != nil {
			t.Fatalf("%s: %v", describe(r), err)
		}
	}
}

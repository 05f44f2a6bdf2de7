package dtls

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// epoch is when the tests' handshakes begin.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// source is randomness that repeats.
func source(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	key[0] = byte(seed)
	return rand.NewChaCha8(key)
}

func pskConfig() Config {
	key := []byte("0123456789abcdef")
	return Config{Random: source(1), PSK: &PSK{Identity: []byte("device"), Key: func() []byte { return key }}}
}

// start begins a handshake, and fails the test if it does not.
func start(t testing.TB, c Config) (*Handshake, Output) {
	t.Helper()
	h, out, err := Start(c, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return h, out
}

// plain encodes a record of epoch 0.
func plain(content record.Content, body []byte) []byte {
	return record.AppendPlain(nil, content, 0, body)
}

func clearAlert(level, number byte) []byte { return plain(record.Alert, []byte{level, number}) }

func inClear(m handshake.Message) []byte { return plain(record.Handshake, m.Append(nil)) }

func verifyRequest(cookie string) []byte {
	body := append([]byte{0xfe, 0xff, byte(len(cookie))}, cookie...)
	return inClear(handshake.Message{Type: handshake.TypeHelloVerifyRequest, Body: body})
}

// hello returns the ClientHello that a datagram consists of.
func hello(t *testing.T, datagram []byte) (sequence uint16, cookie string) {
	t.Helper()
	r, _, ok := record.Next(datagram, 0)
	f, _, whole := handshake.NextFragment(r.Body)
	if !ok || !whole || f.Type != handshake.TypeClientHello || len(f.Data) != f.Length {
		t.Fatalf("%x is no ClientHello", datagram)
	}
	at := 2 + handshake.RandomSize + 1 // behind version, random and the empty session ID
	return f.Sequence, string(f.Data[at+1 : at+1+int(f.Data[at])])
}

// RFC 6347 section 4.2.4.1: resends after 1, 2, 4 ... and at most 60 s, for as
// long as the caller waits.
func TestResends(t *testing.T) {
	h, out := start(t, pskConfig())
	var at []time.Duration
	for now := epoch; len(at) < 10; {
		if len(out.Send) != 1 {
			t.Fatalf("%d datagrams", len(out.Send))
		}
		at = append(at, now.Sub(epoch)/time.Second)
		if early := h.Expire(out.Wake.Add(-1)); len(early.Send) > 0 || early.Wake != out.Wake {
			t.Errorf("too early: %+v", early)
		}
		now = out.Wake
		out = h.Expire(now)
	}
	if want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183, 243}; !slices.Equal(at, want) {
		t.Errorf("sent at %d s, want %d", at, want)
	}
}

// The first cookie is answered at once and keeps its place until the next
// resend: the server may be about to answer it.
func TestCookies(t *testing.T) {
	h, out := start(t, pskConfig())
	if n, cookie := hello(t, out.Send[0]); n != 0 || cookie != "" {
		t.Errorf("first hello: number %d, cookie %q", n, cookie)
	}
	out = h.Receive(epoch, verifyRequest("first"))
	if n, cookie := hello(t, out.Send[0]); n != 1 || cookie != "first" || out.Wake != epoch.Add(time.Second) {
		t.Errorf("second hello: number %d, cookie %q, next %v", n, cookie, out.Wake)
	}
	for range 100 {
		if out = h.Receive(epoch.Add(time.Millisecond), verifyRequest("second")); len(out.Send) > 0 {
			t.Fatal("another cookie was answered at once")
		}
	}
	out = h.Expire(out.Wake)
	if n, cookie := hello(t, out.Send[0]); n != 1 || cookie != "second" {
		t.Errorf("third hello: number %d, cookie %q", n, cookie)
	}
	// the server has missed the hello and says so: it gets it again, not too often
	later := epoch.Add(time.Second + repeatPause)
	if out = h.Receive(later.Add(-1), verifyRequest("second")); len(out.Send) > 0 {
		t.Error("repeated too soon")
	}
	if out = h.Receive(later, verifyRequest("second")); len(out.Send) != 1 || out.Wake != epoch.Add(3*time.Second) {
		t.Errorf("%d datagrams, next at %v", len(out.Send), out.Wake)
	}
}

// What a handshake waits for can be asked at any time.
func TestStepsOfAHandshake(t *testing.T) {
	h, out := start(t, pskConfig())
	if s := h.Step(); s.Flight != FlightHello || s.Resent != 0 || s.Datagrams != 0 || !s.Begun.Equal(epoch) || !s.Sent.Equal(epoch) {
		t.Errorf("at the start: %+v", s)
	}
	h.Expire(out.Wake)
	if s := h.Step(); s.Flight != FlightHello || s.Resent != 1 || !s.Begun.Equal(epoch) || !s.Sent.Equal(out.Wake) {
		t.Errorf("after a resend: %+v", s)
	}
	later := epoch.Add(1500 * time.Millisecond)
	h.Receive(later, verifyRequest("cookie"))
	if s := h.Step(); s.Flight != FlightHelloAgain || s.Resent != 0 || s.ServerHello || s.Datagrams != 1 || !s.Begun.Equal(later) {
		t.Errorf("with a cookie: %+v", s)
	}
}

// A cookie that has come once behind another one may be anybody's: the hello
// stays what the server may have accepted. Once it has come twice the client
// gives in, and then nothing proves anything about its key.
func TestOtherCookieHasToComeTwice(t *testing.T) {
	h, _ := start(t, pskConfig())
	h.Receive(epoch, verifyRequest("first"))
	out := h.Receive(epoch.Add(time.Millisecond), verifyRequest("second"))
	out = h.Expire(out.Wake)
	if _, cookie := hello(t, out.Send[0]); cookie != "first" || h.Progress().Contradicted {
		t.Errorf("after one: cookie %q, %+v", cookie, h.Progress())
	}
	later := epoch.Add(time.Second + time.Millisecond)
	for _, cookie := range []string{"third", "second"} { // not the same one twice in a row
		h.Receive(later, verifyRequest(cookie))
	}
	out = h.Expire(out.Wake)
	if _, cookie := hello(t, out.Send[0]); cookie != "first" || h.Progress().Contradicted {
		t.Errorf("after three: cookie %q, %+v", cookie, h.Progress())
	}
	h.Receive(later.Add(2*time.Second), verifyRequest("second"))
	out = h.Expire(out.Wake)
	if _, cookie := hello(t, out.Send[0]); cookie != "second" || !h.Progress().Contradicted {
		t.Errorf("when insisted on: cookie %q, %+v", cookie, h.Progress())
	}
}

// An alert in clear ends a handshake if nothing better has come within a second.
// Resends go on meanwhile, and further alerts change nothing.
func TestAlertInClearWaitsForContradiction(t *testing.T) {
	h, _ := start(t, pskConfig())
	late := epoch.Add(time.Second - time.Millisecond)
	out := h.Receive(late, clearAlert(levelFatal, 40))
	if out.Err != nil || out.Wake != epoch.Add(time.Second) || h.Alert() == nil {
		t.Fatalf("%+v", out)
	}
	out = h.Expire(out.Wake)
	if out.Err != nil || len(out.Send) != 1 || out.Wake != late.Add(time.Second) {
		t.Fatalf("with the resend: %+v", out)
	}
	if out = h.Receive(late.Add(time.Second/2), clearAlert(levelFatal, 40)); out.Wake != late.Add(time.Second) {
		t.Fatalf("after a second alert: %+v", out)
	}
	out = h.Expire(out.Wake)
	var alert *AlertError
	if !errors.As(out.Err, &alert) || *alert != (AlertError{Number: 40}) || len(out.Send) > 0 || !out.Wake.IsZero() {
		t.Errorf("%+v", out)
	}
	if h.State() != Failed {
		t.Errorf("state %v", h.State())
	}

	h, out = start(t, pskConfig())
	for range 5 { // the next resend is 32 s off
		out = h.Expire(out.Wake)
	}
	soon := epoch.Add(40 * time.Second)
	if out = h.Receive(soon, clearAlert(levelFatal, 40)); out.Wake != soon.Add(time.Second) {
		t.Errorf("believed at %v", out.Wake)
	}
	if out = h.Receive(soon, verifyRequest("alive")); out.Err != nil || h.Alert() != nil || len(out.Send) != 1 {
		t.Errorf("contradicted: %+v", out)
	}
	for _, body := range [][]byte{{levelWarning, 112}, {levelFatal}, {levelFatal, 40, 0}, nil} {
		if h.Receive(soon, plain(record.Alert, body)); h.Alert() != nil {
			t.Errorf("alert %x counts", body)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no randomness":    func(c *Config) { c.Random = nil },
		"no credentials":   func(c *Config) { c.PSK = nil },
		"both credentials": func(c *Config) { c.Certificate = &Certificate{} },
		"empty key":        func(c *Config) { c.PSK.Key = func() []byte { return nil } },
		"long identity":    func(c *Config) { c.PSK.Identity = make([]byte, maxIdentity+1) },
		"long name":        func(c *Config) { c.ServerName = string(make([]byte, 256)) },
		"long CID":         func(c *Config) { c.CID = make([]byte, 256) },
		"foreign suite":    func(c *Config) { c.Suites = []SuiteID{ECDHEECDSAWithAES128CCM8} },
		"unknown suite":    func(c *Config) { c.Suites = []SuiteID{0x1301} },
		"resume and CID":   func(c *Config) { c.CID, c.Resume = []byte{}, &Resumption{} },
		"resume nothing":   func(c *Config) { c.Resume = &Resumption{ID: []byte{1}, Suite: PSKWithAES128CCM8} },
		"no signer": func(c *Config) {
			c.PSK, c.Certificate = nil, &Certificate{VerifyKey: func([]byte) error { return nil }}
		},
	} {
		c := pskConfig()
		change(&c)
		var fault *ConfigError
		if _, out, err := Start(c, epoch); !errors.As(err, &fault) || len(out.Send) > 0 {
			t.Errorf("%s: %v, %d datagrams", name, err, len(out.Send))
		}
	}
	c := pskConfig()
	c.Random = bytes.NewReader(nil)
	if _, _, err := Start(c, epoch); err == nil {
		t.Error("a dry source of randomness is no error")
	}
}

// However a handshake is fed, it does not panic, does not complete, sends a
// bounded number of datagrams, and ends with an error or a next instant.
func FuzzHandshake(f *testing.F) {
	f.Add(verifyRequest("cookie"), clearAlert(levelFatal, 40))
	f.Add(verifyRequest("a"), verifyRequest("b"))
	f.Add(inClear(handshake.Message{Type: handshake.TypeServerHello, Body: pskHello()}),
		inClear(handshake.Message{Type: handshake.TypeServerHelloDone, Sequence: 1}))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		for _, config := range []Config{pskConfig(), certificateConfig(t)} {
			h, out := start(t, config)
			now := epoch
			for _, datagram := range [][]byte{one, two, one, two, two} {
				now = now.Add(100 * time.Millisecond)
				out = h.Receive(now, bytes.Clone(datagram))
				if out.Session != nil || len(out.Send) > 8 || (out.Err == nil) != !out.Wake.IsZero() {
					t.Fatalf("%+v", out)
				}
			}
			if h.Expire(now.Add(time.Hour)).Session != nil {
				t.Fatal("a session out of nothing")
			}
		}
	})
}

// pskHello is the body of a ServerHello that chooses the first PSK suite.
func pskHello() []byte {
	return slices.Concat([]byte{0xfe, 0xfd}, make([]byte, 32), []byte{0, 0xc0, 0xa8, 0})
}

// FuzzSession feeds an established session.
func FuzzSession(f *testing.F) {
	f.Add(plain(record.Alert, []byte{2, 40}))
	f.Add(bytes.Repeat([]byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 5))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		c := record.AES128CCM8
		d := record.Direction{Key: make([]byte, c.KeySize()), Salt: make([]byte, c.SaltSize())}
		_, _ = source(7).Read(d.Key)
		p, err := record.NewProtector(c, 1, d, d)
		if err != nil {
			t.Fatal(err)
		}
		s := &Session{protector: p}
		for rest := datagram; len(rest) > 0; {
			before := len(rest)
			var e Event
			e, rest = s.Next(rest)
			if e.Data != nil || e.Closed || e.Err != nil || len(e.Send) > 0 || len(rest) >= before {
				t.Fatalf("%+v, %d bytes left of %d", e, len(rest), before)
			}
		}
	})
}

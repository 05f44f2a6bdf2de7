package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

var quiet = log.New(io.Discard, "", 0)

// rawServer answers each connection with the same bytes, whatever is asked, and closes it.
func rawServer(t *testing.T, response string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096)) // the request, in one segment
			_, _ = io.WriteString(conn, response)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return "http://" + listener.Addr().String()
}

// lines joins the lines of a header, and ends it.
func lines(all ...string) string { return strings.Join(append(all, "", ""), "\r\n") }

func TestResponsesThatAreNone(t *testing.T) {
	protocol := func(reason ProtocolReason) func(error) bool {
		return func(err error) bool {
			var e *ProtocolError
			return errors.As(err, &e) && e.Reason == reason
		}
	}
	for name, test := range map[string]struct {
		response string
		f        Fetch
		want     func(error) bool
		class    messages.Class
	}{
		"nothing":             {"", Fetch{}, is[*ConnectionError], messages.ClassClosed},
		"a banner":            {"SSH-2.0-OpenSSH_9.2\r\n", Fetch{}, protocol(NotHTTP), messages.ClassBadAnswer},
		"a part of a header":  {"HTTP/1.1 200 OK\r\nContent-Le", Fetch{}, is[*ConnectionError], messages.ClassClosed},
		"HTTP/0.9":            {"<html>image</html>\r\n\r\n", Fetch{}, protocol(NotHTTP), messages.ClassBadAnswer},
		"a bad header":        {lines("HTTP/1.1 200 OK", "no colon"), Fetch{}, protocol(NotHTTP), messages.ClassBadAnswer},
		"a negative length":   {lines("HTTP/1.1 200 OK", "Content-Length: -1"), Fetch{}, protocol(NotHTTP), messages.ClassBadAnswer},
		"two lengths":         {lines("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6") + "image", Fetch{}, protocol(NotHTTP), messages.ClassBadAnswer},
		"a huge header":       {lines("HTTP/1.1 200 OK", "X: "+strings.Repeat("x", 1<<20)), Fetch{}, protocol(HeaderTooLarge), messages.ClassBudget},
		"many headers":        {lines("HTTP/1.1 200 OK", strings.Repeat("X: y\r\n", 1<<16)), Fetch{}, protocol(HeaderTooLarge), messages.ClassBudget},
		"endless interims":    {strings.Repeat(lines("HTTP/1.1 103 Early Hints"), 1<<12), Fetch{}, protocol(HeaderTooLarge), messages.ClassBudget},
		"switching":           {lines("HTTP/1.1 101 Switching Protocols", "Upgrade: x"), Fetch{}, protocol(UnexpectedStatus), messages.ClassBadAnswer},
		"no content":          {lines("HTTP/1.1 204 No Content"), Fetch{}, protocol(UnexpectedStatus), messages.ClassBadAnswer},
		"not modified":        {lines("HTTP/1.1 304 Not Modified"), Fetch{}, protocol(UnexpectedStatus), messages.ClassBadAnswer},
		"gzip":                {lines("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Encoding: gzip") + "image", Fetch{}, protocol(Encoded), messages.ClassBadAnswer},
		"gzip by transfer":    {lines("HTTP/1.1 200 OK", "Transfer-Encoding: gzip"), Fetch{}, protocol(NotHTTP), messages.ClassBadAnswer},
		"empty":               {lines("HTTP/1.1 200 OK", "Content-Length: 0"), Fetch{}, protocol(Empty), messages.ClassBadAnswer},
		"no chunk":            {lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "0\r\n\r\n", Fetch{}, protocol(Empty), messages.ClassBadAnswer},
		"a bad chunk":         {lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "5\r\nimage\r\nzz\r\n", Fetch{}, protocol(NotHTTP), messages.ClassBadAnswer},
		"chunks that end":     {lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "5\r\nimage\r\n", Fetch{}, is[*ShortError], messages.ClassClosed},
		"no length":           {lines("HTTP/1.0 200 OK") + "image", Fetch{}, protocol(NoLength), messages.ClassBadAnswer},
		"short":               {lines("HTTP/1.1 200 OK", "Content-Length: 6") + "image", Fetch{}, is[*ShortError], messages.ClassClosed},
		"short by its end":    {lines("HTTP/1.0 200 OK") + "imag", Fetch{Size: 5}, is[*ShortError], messages.ClassClosed},
		"long by its end":     {lines("HTTP/1.0 200 OK") + "image!", Fetch{From: 1, Size: 5}, is[*ChangedError], messages.ClassRejected},
		"a precondition":      {lines("HTTP/1.1 412 Precondition Failed", "Content-Length: 0"), Fetch{Size: 5}, is[*StatusError], messages.ClassRejected},
		"ranges of the whole": {lines("HTTP/1.1 416 Range Not Satisfiable", "Content-Range: bytes */5", "Content-Length: 0"), Fetch{Size: 5}, is[*StatusError], messages.ClassRejected},
		"a part of the whole": {lines("HTTP/1.1 206 Partial Content", "Content-Range: bytes 0-4/5", "Content-Length: 5") + "image", Fetch{}, protocol(UnexpectedStatus), messages.ClassBadAnswer},
		"huge":                {lines("HTTP/1.1 200 OK", "Content-Length: 9223372036854775807"), Fetch{}, is[*SizeError], messages.ClassBudget},
	} {
		_, _, err := get(t, &Client{Policy: here}, rawServer(t, test.response), test.f)
		if f := Failure(err); !test.want(err) || f.Class != test.class || f.Phase != messages.PhaseFirmware || !errors.Is(&f, err) {
			t.Errorf("%s: %T %v, class %v", name, err, err, f.Class)
		}
	}
}

// What makes no sense as the rest of an image is none.
func TestRangesThatLie(t *testing.T) {
	part := func(contentRange string, more ...string) string {
		return lines(append([]string{"HTTP/1.1 206 Partial Content", "Content-Range: " + contentRange, `ETag: "v1"`}, more...)...)
	}
	five := "Content-Length: 5"
	for name, test := range map[string]struct {
		response string
		want     func(error) bool
	}{
		"good":                  {part("bytes 5-9/10", five) + "image", isEnd},
		"of another case":       {part("Bytes 5-9/10", five) + "image", isEnd},
		"in chunks":             {part("bytes 5-9/10", "Transfer-Encoding: chunked") + "5\r\nimage\r\n0\r\n\r\n", isEnd},
		"unknown total":         {part("bytes 5-9/*", five) + "image", isEnd},
		"less than the rest":    {part("bytes 5-8/10", "Content-Length: 4") + "imag", is[*ShortError]},
		"less, without a total": {part("bytes 5-8/*", "Content-Length: 4") + "imag", is[*ShortError]},
		"none":                  {lines("HTTP/1.1 206 Partial Content", five, `ETag: "v1"`) + "image", is[*RangeError]},
		"two":                   {part("bytes 5-9/10", five, "Content-Range: bytes 5-9/10") + "image", is[*RangeError]},
		"another start":         {part("bytes 4-8/10", five) + "image", is[*RangeError]},
		"from the beginning":    {part("bytes 0-9/10", "Content-Length: 10") + "imageimage", is[*RangeError]},
		"another length":        {part("bytes 5-9/10", "Content-Length: 4") + "imag", is[*RangeError]},
		"backwards":             {part("bytes 5-4/10", "Content-Length: 0"), is[*RangeError]},
		"beyond the total":      {part("bytes 5-9/9", five) + "image", is[*RangeError]},
		"another unit":          {part("octets 5-9/10", five) + "image", is[*RangeError]},
		"signs":                 {part("bytes +5-9/10", five) + "image", is[*RangeError]},
		"overflow":              {part("bytes 5-99999999999999999999/99999999999999999999", five) + "image", is[*RangeError]},
		"no range":              {part("bytes */10", five) + "image", is[*RangeError]},
		"nonsense":              {part("bytes", five) + "image", is[*RangeError]},
		"several":               {part("bytes 5-9/10", five, "Content-Type: multipart/byteranges; boundary=x") + "image", is[*RangeError]},
		"another total":         {part("bytes 5-9/11", five) + "image", is[*ChangedError]},
		"another image":         {lines("HTTP/1.1 206 Partial Content", "Content-Range: bytes 5-9/10", five, `ETag: "v2"`) + "image", is[*ChangedError]},
		"a weak tag":            {lines("HTTP/1.1 206 Partial Content", "Content-Range: bytes 5-9/10", five, `ETag: W/"v1"`) + "image", is[*ChangedError]},
		"no tag":                {lines("HTTP/1.1 206 Partial Content", "Content-Range: bytes 5-9/10", five) + "image", is[*ChangedError]},
		"more in chunks":        {part("bytes 5-9/10", "Transfer-Encoding: chunked") + "6\r\nimage!\r\n0\r\n\r\n", is[*ProtocolError]},
		"unsatisfied":           {lines("HTTP/1.1 416 Range Not Satisfiable", "Content-Range: bytes */4", "Content-Length: 0"), is[*RangeError]},
	} {
		_, got, err := get(t, &Client{Policy: here}, rawServer(t, test.response), Fetch{From: 5, Validator: `"v1"`, Size: 10})
		if !test.want(err) || len(got) > 5 || isEnd(err) && string(got) != "image" {
			t.Errorf("%s: %q %T %v", name, got, err, err)
		}
	}
	_, _, err := get(t, &Client{Policy: here}, rawServer(t, part("bytes 5-9/*", five)+"image"), Fetch{From: 5})
	if !is[*RangeError](err) {
		t.Errorf("a rest without an end: %v", err)
	}
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// A validator is what a server says, once, and in the form that it has to have.
func TestValidators(t *testing.T) {
	for header, want := range map[string]string{
		`ETag: "v1"`:                 `"v1"`,
		`ETag: ""`:                   `""`,
		`ETag: W/"v1"`:               "",
		`ETag: v1`:                   "",
		"ETag: \"a b\"":              "",
		"ETag: \"a\"\r\nETag: \"b\"": "",
		`ETag: "` + strings.Repeat("x", 255) + `"`:                                                            "",
		"Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\nDate: Fri, 02 Jan 2026 03:04:06 GMT":                 "Fri, 02 Jan 2026 03:04:05 GMT",
		"Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT":                 "", // it may change within that second
		"Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT":                                                        "",
		"Last-Modified: yesterday\r\nDate: Fri, 02 Jan 2026 03:04:06 GMT":                                     "",
		"ETag: \"v1\"\r\nLast-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\nDate: Fri, 02 Jan 2026 03:04:06 GMT": `"v1"`,
	} {
		b, _, err := get(t, &Client{Policy: here}, rawServer(t, lines("HTTP/1.1 200 OK", "Content-Length: 5", header)+"image"), Fetch{})
		if !isEnd(err) || b.Validator != want {
			t.Errorf("%q: %v %v, want %q", header, b, err, want)
		}
	}
}

// A connection may break anywhere: what has come is right, and that is not all is known.
func TestBrokenAnywhere(t *testing.T) {
	header := lines("HTTP/1.1 200 OK", "Content-Length: 5", `ETag: "v1"`)
	for _, response := range []string{header + "image", lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "2\r\nim\r\n3\r\nage\r\n0\r\n\r\n"} {
		for cut := range len(response) {
			c := &Client{Policy: here, Dial: dials(response[:cut], func() error { return io.EOF })}
			_, got, err := get(t, c, "http://127.0.0.1/", Fetch{})
			if !is[*ConnectionError](err) && !is[*ShortError](err) || Failure(err).Class != messages.ClassClosed || !strings.HasPrefix("image", string(got)) {
				t.Errorf("cut at %d: %q %T %v", cut, got, err, err)
			}
		}
	}
}

// dials gives connections on which a response comes, and then an error.
func dials(response string, end func() error) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(context.Context, netip.AddrPort) (net.Conn, error) {
		return &scripted{rest: strings.NewReader(response), end: end}, nil
	}
}

// scripted is a connection on which a text comes, byte by byte.
type scripted struct {
	net.Conn
	rest *strings.Reader
	end  func() error
}

func (s *scripted) Read(p []byte) (int, error) {
	n, err := s.rest.Read(p[:min(len(p), 1)])
	if err != nil {
		err = s.end()
	}
	return n, err
}

func (*scripted) Write(p []byte) (int, error) { return len(p), nil }
func (*scripted) Close() error                { return nil }
func (*scripted) LocalAddr() net.Addr         { return &net.UnixAddr{} }
func (*scripted) RemoteAddr() net.Addr        { return &net.UnixAddr{} }

func TestRedirects(t *testing.T) {
	target := answer(t, 200, nil, "image")
	port := target.URL[strings.LastIndexByte(target.URL, ':'):]
	for name, test := range map[string]struct {
		location string
		want     func(error) bool
	}{
		"absolute":            {target.URL + "/x", isEnd},
		"with a fragment":     {target.URL + "/x#y", isEnd},
		"without a scheme":    {"//127.0.0.1" + port + "/x", isEnd},
		"to an allowed name":  {"http://host.example" + port, isEnd},
		"long":                {target.URL + "/" + strings.Repeat("x", 2000), isEnd},
		"none":                {"", redirectFault(Malformed)},
		"too long":            {target.URL + "/" + strings.Repeat("x", 3000), redirectFault(Malformed)},
		"to the cloud":        {"http://169.254.169.254/latest/meta-data", redirectFault(NotAllowed)},
		"to this machine":     {"http://[::1]/", redirectFault(NotAllowed)},
		"by a number":         {"http://2130706433/", redirectFault(Malformed)},
		"to a file":           {"file:///etc/passwd", redirectFault(UnsupportedScheme)},
		"to CoAP":             {"coap://192.0.2.1/x", redirectFault(UnsupportedScheme)},
		"with a user":         {"http://u:p@127.0.0.1/", redirectFault(Malformed)},
		"with a backslash":    {`http://127.0.0.1\@192.0.2.1/`, redirectFault(Malformed)},
		"with a space":        {"http://127.0.0.1/a b", redirectFault(Malformed)},
		"to nobody":           {"http:///x", redirectFault(Malformed)},
		"to a mail server":    {"http://192.0.2.1:25/", redirectFault(NotAllowed)},
		"to another protocol": {"//169.254.169.254/", redirectFault(NotAllowed)},
	} {
		first := answer(t, http.StatusFound, map[string]string{"Location": test.location}, "")
		c := &Client{Policy: here, Resolve: resolvesTo("127.0.0.1")}
		if _, _, err := get(t, c, first.URL, Fetch{}); !test.want(err) || !isEnd(err) && Failure(err).Class != messages.ClassConfiguration {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
}

func redirectFault(fault URIFault) func(error) bool {
	return func(err error) bool { return is[*RedirectError](err) && faultOf(err) == fault }
}

func TestRedirectsHaveAnEnd(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		if r.URL.Path == "/3" {
			_, _ = io.WriteString(w, "image")
			return
		}
		http.Redirect(w, r, fmt.Sprintf("%d", n), http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	if _, got, err := get(t, &Client{Policy: here}, server.URL+"/0", Fetch{}); string(got) != "image" || asked.Load() != 4 {
		t.Errorf("three redirects: %q %v", got, err)
	}
	_, _, err := get(t, &Client{Policy: here}, server.URL+"/0", Fetch{}) // the counter is beyond 3
	if !redirectFault(NotAllowed)(err) || asked.Load() != 8 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}

func TestNoRedirectFromHTTPS(t *testing.T) {
	plain := answer(t, 200, nil, "image")
	secure, roots := secureServer(t, nil, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) })
	c := &Client{Policy: here, TLS: trusting(roots)}
	_, _, err := get(t, c, secure.URL, Fetch{})
	if !redirectFault(NotAllowed)(err) {
		t.Error(err)
	}
}

// A name that leads elsewhere the second time leads nowhere: it is resolved once for each
// request, and what is connected to is what was checked.
func TestRebinding(t *testing.T) {
	var dialled []netip.AddrPort
	lookups := 0
	c := &Client{
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			lookups++
			if lookups == 1 {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:169.254.169.254")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		Dial: func(_ context.Context, addr netip.AddrPort) (net.Conn, error) {
			dialled = append(dialled, addr)
			response := lines("HTTP/1.1 302 Found", "Location: /again")
			return &scripted{rest: strings.NewReader(response), end: func() error { return io.EOF }}, nil
		},
	}
	l, err := c.Policy.Parse("http://rebinding.test/x")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Open(t.Context(), l, Fetch{})
	if faultOf(err) != NotAllowed || lookups != 2 || len(dialled) != 1 || dialled[0].String() != "192.0.2.1:80" {
		t.Errorf("%v after %d lookups, dialled %v", err, lookups, dialled)
	}
}

// An address of this machine that is not local in itself leads back to it all the same.
func TestThisMachineByAnotherAddress(t *testing.T) {
	near := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1000}
	response := lines("HTTP/1.1 200 OK", "Content-Length: 5") + "image"
	for far, want := range map[string]bool{"192.0.2.1": false, "192.0.2.2": true} {
		c := &Client{Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
			conn := &scripted{rest: strings.NewReader(response), end: func() error { return io.EOF }}
			return &addressed{conn, near, &net.TCPAddr{IP: net.ParseIP(far), Port: 80}}, nil
		}}
		l, err := c.Policy.Parse("http://" + far + "/")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Open(t.Context(), l, Fetch{}); (err == nil) != want || err != nil && faultOf(err) != NotAllowed {
			t.Errorf("%s: %v", far, err)
		}
		c.Policy.Hosts = []string{far}
		if _, err = c.Open(t.Context(), l, Fetch{}); err != nil {
			t.Errorf("%s, which is allowed: %v", far, err)
		}
	}
}

type addressed struct {
	*scripted
	near, far net.Addr
}

func (a *addressed) LocalAddr() net.Addr  { return a.near }
func (a *addressed) RemoteAddr() net.Addr { return a.far }

func TestNobodyThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	_, _, err = get(t, &Client{Policy: here}, "http://"+listener.Addr().String(), Fetch{})
	if f := Failure(err); f.Class != messages.ClassRefused || !is[*ConnectionError](err) {
		t.Errorf("%v, class %v", err, f.Class)
	}
	c := &Client{Policy: here, Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Name: host, IsNotFound: true}
	}}
	_, _, err = get(t, c, "http://host.example", Fetch{})
	if f := Failure(err); f.Class != messages.ClassDNS || !is[*net.DNSError](err) {
		t.Errorf("%v, class %v", err, f.Class)
	}
	c.Resolve = resolvesTo()
	if _, _, err = get(t, c, "http://host.example", Fetch{}); Failure(err).Class != messages.ClassDNS {
		t.Error(err)
	}
}

// A host with any number of addresses is one attempt, with a few of them.
func TestAThousandAddresses(t *testing.T) {
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("192.0.%d.%d", 2+i/250, 1+i%250)
	}
	dialled := 0
	c := &Client{Resolve: resolvesTo(many...), Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
		dialled++
		return nil, syscall.EHOSTUNREACH
	}}
	_, err := c.Open(t.Context(), Location{Scheme: "http", Host: "host.test", Port: 80, Target: "/"}, Fetch{})
	if f := Failure(err); f.Class != messages.ClassUnreachable || dialled != maxAddresses {
		t.Errorf("%v after %d addresses", err, dialled)
	}
}

// The answers to HTTP are those that the policy knows.
func TestFailuresOfStatuses(t *testing.T) {
	pause := 5 * time.Second
	for status, want := range map[int]messages.CoAPCode{
		400: messages.BadRequest, 401: messages.Unauthorized, 403: messages.Forbidden, 404: messages.NotFound, 410: messages.NotFound, 418: messages.BadRequest,
		408: messages.RequestEntityIncomplete, 425: messages.ServiceUnavailable,
		429: messages.TooManyRequests, 500: messages.InternalServerError, 502: messages.BadGateway, 503: messages.ServiceUnavailable,
		504: messages.GatewayTimeout, 599: messages.InternalServerError,
	} {
		err := &StatusError{Status: status}
		if status == 429 || status == 503 {
			err.After = pause
		}
		f := Failure(fmt.Errorf("wrapped: %w", err))
		if f.Class != messages.ClassRejected || f.Answer != want || (f.MaxAge != nil) != err.Overloaded() || f.MaxAge != nil && *f.MaxAge != pause {
			t.Errorf("%d: %+v", status, f)
		}
	}
	if f := Failure(&ChangedError{}); f.Class != messages.ClassRejected || f.Answer != messages.PreconditionFailed {
		t.Errorf("%+v", f)
	}
	if f := Failure(context.Canceled); f.Class != messages.ClassUnknown {
		t.Errorf("%+v", f)
	}
}

// Whatever a server answers: it ends, with what the response says or with a typed error.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		lines("HTTP/1.1 200 OK", "Content-Length: 5") + "image", lines("HTTP/1.1 206 Partial Content", "Content-Range: bytes 5-9/10") + "image",
		lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "5\r\nimage\r\n0\r\n\r\n", lines("HTTP/1.0 302 Found", "Location: //x"), "HTTP/1.1 100\r\n\r\n",
		lines("HTTP/1.1 503 Busy", "Retry-After: 5"), lines("HTTP/1.1 416 x", "Content-Range: bytes */3"),
	} {
		f.Add(seed, int64(0), int64(0))
		f.Add(seed, int64(5), int64(10))
	}
	f.Fuzz(func(t *testing.T, response string, from, size int64) {
		p := Policy{MaxSize: 1000}
		c := &Client{Policy: p, Resolve: resolvesTo("192.0.2.1"), Dial: dials(response, func() error { return io.EOF })}
		fetch := Fetch{From: max(from, 0), Validator: `"v1"`, Size: max(size, 0)}
		b, err := c.Open(t.Context(), Location{Scheme: "http", Host: "host.test", Port: 80, Target: "/"}, fetch)
		var got []byte
		if err == nil {
			got, err = all(b, 16)
		}
		switch {
		case isEnd(err):
			if b.From != 0 && b.From != fetch.From || b.Total > 0 && b.From+int64(len(got)) != b.Total || len(got) == 0 || b.From+int64(len(got)) > p.MaxSize {
				t.Fatalf("%q: %+v, %d bytes", response, b, len(got))
			}
			if fetch.Size > 0 && b.From > 0 && b.From+int64(len(got)) != fetch.Size {
				t.Fatalf("%q: %+v, %d bytes, of %d", response, b, len(got), fetch.Size)
			}
		case fetch.From == 0 && (is[*ChangedError](err) || is[*RangeError](err)):
			t.Fatalf("%q: %v, and nothing is there", response, err)
		case Failure(err).Class == messages.ClassUnknown:
			t.Fatalf("%q: %T %v", response, err, err)
		}
	})
}

func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 0-1/2", "bytes */2", "bytes 1-0/*", "bytes 5", "b 0-0/1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseContentRange(s)
		if ok && (r.first < 0 || r.last < r.first || r.total != 0 && r.total <= r.last) {
			t.Fatalf("%q: %+v", s, r)
		}
		if unsatisfied(s) < 0 {
			t.Fatalf("%q", s)
		}
	})
}

// The memory that a fetch takes does not grow with the image.
func TestMemoryIsTheCallers(t *testing.T) {
	const size = 8 << 20
	response := io.MultiReader(strings.NewReader(lines("HTTP/1.1 200 OK", fmt.Sprintf("Content-Length: %d", size))), io.LimitReader(zeroes{}, size))
	c := &Client{Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
		return &streamed{scripted: &scripted{}, from: response}, nil
	}}
	b, err := c.Open(t.Context(), Location{Scheme: "http", Host: "192.0.2.1", Port: 80, Target: "/"}, Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	p, count := make([]byte, 32<<10), 0
	perPart := testing.AllocsPerRun(size/len(p)-2, func() {
		n, err := b.Next(p)
		if count += n; err != nil || !bytes.Equal(p[:1], []byte{0}) {
			t.Fatal(err)
		}
	})
	if perPart > 10 {
		t.Errorf("%v allocations for a part of %d bytes", perPart, len(p))
	}
	b.Close()
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type streamed struct {
	*scripted
	from io.Reader
}

func (s *streamed) Read(p []byte) (int, error) { return s.from.Read(p) }

package download

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// pipes gives connections whose other end a function serves.
func pipes(serve func(conn net.Conn)) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(context.Context, netip.AddrPort) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer func() { _ = far.Close() }()
			serve(far)
		}()
		return near, nil
	}
}

// afterRequest reads a request, and goes on.
func afterRequest(serve func(conn net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			serve(conn)
		}
	}
}

// untilClosed waits until the client closes the connection.
func untilClosed(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func hangs(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// Every stage has its bound, to the instant, and leaves nothing behind: a bubble does not end
// while a goroutine is left.
func TestEachStageEnds(t *testing.T) {
	slowly := func(conn net.Conn) {
		for _, c := range []byte("HTTP/1.1 200 OK\r\nX: 0123456789") {
			if _, err := conn.Write([]byte{c}); err != nil {
				return
			}
			time.Sleep(7 * time.Second)
		}
	}
	for name, test := range map[string]struct {
		uri    string
		client Client
		stage  Stage
		after  time.Duration
	}{
		"resolving": {"http://host.test/", Client{
			Resolve: func(ctx context.Context, _ string) ([]netip.Addr, error) { return nil, hangs(ctx) },
		}, StageConnect, 30 * time.Second},
		"connecting": {"http://host.test/", Client{
			Resolve: resolvesTo("192.0.2.1", "192.0.2.2", "2001:db8::1"),
			Dial:    func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) { return nil, hangs(ctx) },
		}, StageConnect, 30 * time.Second},
		"TLS":               {"https://192.0.2.1/", Client{Dial: pipes(untilClosed)}, StageTLS, 30 * time.Second},
		"asking":            {"http://192.0.2.1/", Client{Dial: pipes(func(conn net.Conn) { time.Sleep(2 * time.Minute) })}, StageHeader, 60 * time.Second},
		"a header":          {"http://192.0.2.1/", Client{Dial: pipes(afterRequest(untilClosed))}, StageHeader, 60 * time.Second},
		"a header, by byte": {"http://192.0.2.1/", Client{Dial: pipes(afterRequest(slowly))}, StageHeader, 60 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				l := locate(t, test.uri)
				_, err := test.client.Open(t.Context(), l, Fetch{})
				var e *TimeoutError
				if !errors.As(err, &e) || e.Stage != test.stage || time.Since(start) != test.after {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(start), test.stage, test.after)
				}
				time.Sleep(2 * time.Minute) // the server's turn to see that the connection is closed
			})
		})
	}
}

// What is asked ends at once when nobody wants it any more.
func TestEachStageIsCancelled(t *testing.T) {
	for name, c := range map[string]Client{
		"resolving":  {Resolve: func(ctx context.Context, _ string) ([]netip.Addr, error) { return nil, hangs(ctx) }},
		"connecting": {Resolve: resolvesTo("192.0.2.1"), Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) { return nil, hangs(ctx) }},
		"TLS":        {Resolve: resolvesTo("192.0.2.1"), Dial: pipes(untilClosed)},
		"a header":   {Resolve: resolvesTo("192.0.2.1"), Dial: pipes(afterRequest(untilClosed))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				uri := "http://host.test/"
				if name == "TLS" {
					uri = "https://host.test/"
				}
				why := errors.New("not wanted any more")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(why) })
				start := time.Now()
				if _, err := c.Open(ctx, locate(t, uri), Fetch{}); !errors.Is(err, why) || time.Since(start) != 5*time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// One address that does not answer leaves time for the others.
func TestAnAddressThatIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serve := pipes(afterRequest(func(conn net.Conn) {
			_, _ = io.WriteString(conn, lines("HTTP/1.1 200 OK", "Content-Length: 5")+"image")
		}))
		c := &Client{
			Resolve: resolvesTo("2001:db8::1", "192.0.2.1"),
			Dial: func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
				if addr.Addr().Is6() {
					return nil, hangs(ctx)
				}
				return serve(ctx, addr)
			},
		}
		start := time.Now()
		b, err := c.Open(t.Context(), locate(t, "http://host.test/"), Fetch{})
		if err != nil || time.Since(start) != 15*time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		if image, err := all(b, 10); string(image) != "image" || !isEnd(err) {
			t.Errorf("%q %v", image, err)
		}
	})
}

// A server may take its time, as long as something comes, and so may the caller.
func TestASlowImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{Dial: pipes(afterRequest(func(conn net.Conn) {
			_, _ = io.WriteString(conn, lines("HTTP/1.1 200 OK", "Content-Length: 6"))
			for _, c := range []byte("image") {
				time.Sleep(59 * time.Second)
				_, _ = conn.Write([]byte{c})
			}
			untilClosed(conn)
		}))}
		b, err := c.Open(t.Context(), locate(t, "http://192.0.2.1/"), Fetch{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // the disk is slow
		start := time.Now()
		p := make([]byte, 1)
		for range 5 {
			if n, err := b.Next(p); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := time.Since(start); got != 4*59*time.Second { // the first byte was there
			t.Errorf("five bytes after %v", got)
		}
		time.Sleep(time.Hour)
		start = time.Now()
		var e *TimeoutError
		if _, err := b.Next(p); !errors.As(err, &e) || e.Stage != StageBody || time.Since(start) != 60*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if _, err := b.Next(p); !errors.As(err, &e) {
			t.Errorf("then %v", err)
		}
	})
}

// What has come before a failure is not lost.
func TestAPartBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{Dial: pipes(afterRequest(func(conn net.Conn) {
			_, _ = io.WriteString(conn, lines("HTTP/1.1 200 OK", "Content-Length: 100")+"image")
			untilClosed(conn)
		}))}
		b, err := c.Open(t.Context(), locate(t, "http://192.0.2.1/"), Fetch{})
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 100)
		if n, err := b.Next(p); string(p[:n]) != "image" || err != nil {
			t.Errorf("%q %v", p[:n], err)
		}
		if n, err := b.Next(p); n != 0 || !is[*TimeoutError](err) {
			t.Errorf("%d %v", n, err)
		}
	})
}

// Redirects share nothing: each request has all of its time.
func TestEachRedirectHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hops := 0
		c := &Client{Dial: pipes(afterRequest(func(conn net.Conn) {
			time.Sleep(50 * time.Second)
			if hops++; hops < 3 {
				_, _ = io.WriteString(conn, lines("HTTP/1.1 308 Permanent Redirect", "Location: http://192.0.2.2/"))
				return
			}
			_, _ = io.WriteString(conn, lines("HTTP/1.1 200 OK", "Content-Length: 5")+"image")
		}))}
		start := time.Now()
		b, err := c.Open(t.Context(), locate(t, "http://192.0.2.1/"), Fetch{})
		if err != nil || time.Since(start) != 150*time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		b.Close()
	})
}

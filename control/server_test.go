package control_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/control"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Requests that a page in a browser can make, and others that no program of
// ours makes.
func TestControlRefusesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		for _, test := range []struct {
			name, method, url string
			header            http.Header
			body              string
			want              int
			allow             string
		}{
			{name: "localhost", method: "GET", url: "http://localhost/readyz", want: http.StatusOK},
			{name: "localhost with a port", method: "GET", url: "http://localhost:8080/readyz", want: http.StatusOK},
			{name: "IPv4", method: "GET", url: "http://127.0.0.1:8080/readyz", want: http.StatusOK},
			{name: "another of 127/8", method: "GET", url: "http://127.9.9.9/readyz", want: http.StatusOK},
			{name: "IPv6", method: "GET", url: "http://[::1]:8080/readyz", want: http.StatusOK},
			{name: "IPv6 without a port", method: "GET", url: "http://[::1]/readyz", want: http.StatusOK},
			{name: "rebound name", method: "GET", url: "http://evil.example:8080/v1/status", want: http.StatusMisdirectedRequest},
			{name: "look-alike", method: "GET", url: "http://127.0.0.1.evil.example/v1/status", want: http.StatusMisdirectedRequest},
			{name: "another look-alike", method: "GET", url: "http://localhost.evil.example/v1/status", want: http.StatusMisdirectedRequest},
			{name: "address of the network", method: "GET", url: "http://192.0.2.10/v1/status", want: http.StatusMisdirectedRequest},
			{name: "page of another origin", method: "POST", url: "http://127.0.0.1:8080/v1/close",
				header: http.Header{"Origin": {"http://evil.example"}}, want: http.StatusForbidden},
			{name: "cross-site", method: "POST", url: "http://127.0.0.1:8080/v1/close",
				header: http.Header{"Sec-Fetch-Site": {"cross-site"}}, want: http.StatusForbidden},
			{name: "small body", method: "POST", url: "http://localhost/v1/reconnect", body: "{}", want: http.StatusOK},
			{name: "large body", method: "POST", url: "http://localhost/v1/close", body: strings.Repeat("x", 4<<10+1), want: http.StatusRequestEntityTooLarge},
			{name: "GET of a call", method: "GET", url: "http://localhost/v1/close", want: http.StatusMethodNotAllowed, allow: "POST"},
			{name: "PUT of a call", method: "PUT", url: "http://localhost/v1/update", want: http.StatusMethodNotAllowed, allow: "POST"},
			{name: "POST of a status", method: "POST", url: "http://localhost/v1/status", want: http.StatusMethodNotAllowed, allow: "GET, HEAD"},
			{name: "DELETE of metrics", method: "DELETE", url: "http://localhost/metrics", want: http.StatusMethodNotAllowed, allow: "GET, HEAD"},
			{name: "unknown call", method: "POST", url: "http://localhost/v1/explode", want: http.StatusNotFound},
			{name: "nothing", method: "GET", url: "http://localhost/", want: http.StatusNotFound},
			{name: "path tricks", method: "GET", url: "http://localhost/../../etc/passwd", want: http.StatusTemporaryRedirect},
		} {
			request := httptest.NewRequest(test.method, test.url, strings.NewReader(test.body))
			for name, values := range test.header {
				request.Header[name] = values
			}
			recorder := httptest.NewRecorder()
			c.API().ServeHTTP(recorder, request)
			if recorder.Code != test.want || recorder.Header().Get("Allow") != test.allow {
				t.Errorf("%s: %d, Allow %q", test.name, recorder.Code, recorder.Header().Get("Allow"))
			}
			if recorder.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: another origin may read the answer", test.name)
			}
		}
		if c.State() != holdfast.Registered {
			t.Errorf("the client is %s", c.State())
		}
		c.ExpectClose(nil)
	})
}

// realClient is a client in real time that never reaches its server, with the
// API on an address. The error is that of Start.
func realClient(t *testing.T, listen string) (*holdfast.Client, *control.Server, error) {
	t.Helper()
	client, err := holdfast.New(holdfast.Config{
		Endpoint: systemtest.Endpoint, StateDir: t.TempDir(),
		Server: &holdfast.Account{URI: "coap://127.0.0.1:9", Security: holdfast.SecurityNoSec},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	api, err := control.Attach(client, control.Config{Listen: listen})
	if err != nil {
		t.Fatal(err)
	}
	return client, api, client.Start(context.Background())
}

// dialling returns an HTTP client that reaches one address, whatever a URL says.
func dialling(t *testing.T, addr string) *http.Client {
	network, target := "tcp", addr
	if path, unix := strings.CutPrefix(addr, "unix:"); unix {
		network, target = "unix", path
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, target)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, response.Status, err)
	}
	return string(body)
}

// The API on real sockets: a call, a stream of events, and the end by close.
func TestControlOverSockets(t *testing.T) {
	for _, listen := range []string{"unix:" + filepath.Join(t.TempDir(), "c.sock"), "127.0.0.1:0", "localhost:0"} {
		client, api, err := realClient(t, listen)
		if err != nil {
			t.Fatal(err)
		}
		addr := api.Addr()
		browser := dialling(t, addr)
		if body := fetch(t, browser, "http://localhost/v1/status"); !strings.Contains(body, `"endpoint":"`+systemtest.Endpoint+`"`) {
			t.Errorf("%s: %s", addr, body)
		}
		if body := fetch(t, browser, "http://localhost/livez"); !strings.Contains(body, `"ok":true`) {
			t.Errorf("%s: %s", addr, body)
		}
		events, err := browser.Get("http://localhost/v1/events")
		if err != nil {
			t.Fatal(err)
		}
		answer, err := browser.Post("http://localhost/v1/close", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if want := fmt.Sprintf(`"name":%q`, notRegistered); err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %s, %v", addr, answer.Status, body, err)
		}
		answer.Body.Close()
		endsWithClose(t, events.Body)
		if err := client.Close(context.Background()); !errors.Is(err, holdfast.ErrNotRegistered) {
			t.Errorf("Close: %v", err)
		}
		if _, err := browser.Get("http://localhost/v1/status"); err == nil {
			t.Errorf("%s answers after the end", addr)
		}
	}
}

func endsWithClose(t *testing.T, events io.ReadCloser) {
	t.Helper()
	defer events.Close()
	last := ""
	for lines := bufio.NewScanner(events); lines.Scan(); {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if last != ": the client is closed" {
		t.Errorf("the last line is %q", last)
	}
}

// On TCP the Host header counts, on a unix socket it does not.
func TestControlHostHeaderOnSockets(t *testing.T) {
	for listen, want := range map[string]int{
		"unix:" + filepath.Join(t.TempDir(), "c.sock"): http.StatusServiceUnavailable, // of readyz
		"127.0.0.1:0": http.StatusMisdirectedRequest,
	} {
		_, api, err := realClient(t, listen)
		if err != nil {
			t.Fatal(err)
		}
		response, err := dialling(t, api.Addr()).Get("http://evil.example/readyz")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s", listen, response.Status)
		}
	}
}

// The socket is its user's alone, and goes with the client.
func TestControlSocketFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	client, api, err := realClient(t, "unix:"+path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != fs.ModeSocket {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if got := api.Addr(); got != "unix:"+path {
		t.Error(got)
	}
	_ = client.Close(context.Background())
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// A socket that a crash left behind is replaced; one in use, and what is no
// socket, stays. Start says which address it is about, and can be called again.
func TestControlThatCannotListen(t *testing.T) {
	dir := t.TempDir()
	stale, inUse, file := filepath.Join(dir, "stale"), filepath.Join(dir, "used"), filepath.Join(dir, "file")
	leaveSocket(t, stale)
	if _, api, err := realClient(t, "unix:"+stale); err != nil || api.Addr() == "" {
		t.Errorf("stale socket: %v", err)
	}
	listener, err := net.Listen("unix", inUse)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, listen := range []string{"unix:" + inUse, "unix:" + file, "unix:" + dir + "/missing/c.sock", "unix:" + file + "/c.sock"} {
		_, api, err := realClient(t, listen)
		if !errors.Is(err, control.ErrListen) || !strings.Contains(err.Error(), listen) {
			t.Errorf("%s: %v", listen, err)
		}
		if api.Addr() != "" {
			t.Errorf("%s: listens", listen)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "x" {
		t.Errorf("the file: %q, %v", data, err)
	}
	taken := takenPort(t)
	client, _, err := realClient(t, taken.Addr().String())
	if !errors.Is(err, control.ErrListen) {
		t.Errorf("taken port: %v", err)
	}
	_ = taken.Close()
	if err := client.Start(context.Background()); err != nil { // the directory is free again
		t.Errorf("second Start: %v", err)
	}
}

func takenPort(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// leaveSocket leaves a socket behind that nobody listens on.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	_ = listener.Close()
}

// No output is the place of a secret: the keys of both accounts are in none of
// them, in no form, whatever has happened.
func TestControlShowsNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeBoth()
		w.DeliverTooMuch() // an error first
		var logged strings.Builder
		cfg := w.Factory()
		cfg.Limits.BootstrapBytes = 1 << 10
		c := w.Start(cfg, holdfast.WithLogger(slog.New(zerolog.NewSlogHandler(zerolog.New(zerolog.SyncWriter(&logged)).Level(zerolog.TraceLevel)))))
		c.Next(holdfast.EventError)
		s := listen(c)
		w.Deliver(systemtest.Key)
		outputs := map[string]string{}
		for outputs["events"] = ""; c.State() != holdfast.Registered; {
			outputs["events"] += <-s.pieces
		}
		close(s.ended)
		for _, path := range []string{"/v1/status", "/v1/explain", "/v1/explain?format=text", "/metrics", "/livez", "/readyz"} {
			outputs[path] = c.Ask(http.MethodGet, path).Body.String()
		}
		outputs["refusal"] = c.Ask(http.MethodPost, "/v1/resume").Body.String()
		c.ExpectClose(nil)
		outputs["log"] = logged.String()
		for name, text := range outputs {
			if text == "" {
				t.Errorf("%s is empty", name)
			}
			for _, key := range [][]byte{systemtest.Key, systemtest.BootstrapKey} {
				if form := revealed(text, key); form != "" {
					t.Errorf("%s shows a key as %s", name, form)
				}
			}
		}
	})
}

// revealed returns the form in which a text shows a key, or "".
func revealed(text string, key []byte) string {
	for name, form := range map[string]string{
		"bytes": string(key), "hexadecimal": hex.EncodeToString(key),
		"base64": base64.RawStdEncoding.EncodeToString(key), "URL base64": base64.RawURLEncoding.EncodeToString(key),
		"a list": strings.Trim(fmt.Sprint(key), "[]"),
	} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			return name
		}
	}
	return ""
}

// The API may come later than the client, and go before it.
func TestControlOfARunningClient(t *testing.T) {
	client, api, err := realClient(t, "")
	if err != nil || api.Addr() != "" {
		t.Fatalf("%q, %v", api.Addr(), err)
	}
	path := "unix:" + filepath.Join(t.TempDir(), "c.sock")
	second, err := control.Attach(client, control.Config{Listen: path})
	if err != nil {
		t.Fatal(err)
	}
	browser := dialling(t, second.Addr())
	fetch(t, browser, "http://localhost/livez")
	if _, err := control.Attach(client, control.Config{Listen: path}); !errors.Is(err, control.ErrListen) {
		t.Errorf("an address that is taken: %v", err)
	}
	events, err := browser.Get("http://localhost/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	second.Close()
	second.Close() // there is nothing left to do
	if _, err := io.ReadAll(events.Body); err == nil && second.Addr() != "" {
		t.Error("the stream goes on")
	}
	if _, err := browser.Get("http://localhost/livez"); err == nil {
		t.Error("the API answers after its end")
	}
	if code := statusOfHandler(api, "/livez"); code != http.StatusOK {
		t.Errorf("the client is as it was: %d", code)
	}
	_ = client.Close(context.Background())
	if code := statusOfHandler(api, "/livez"); code != http.StatusServiceUnavailable {
		t.Errorf("the API of a closed client: %d", code)
	}
	if _, err := control.Attach(client, control.Config{}); !errors.Is(err, holdfast.ErrNotAllowed) {
		t.Errorf("a closed client: %v", err)
	}
}

func statusOfHandler(api http.Handler, path string) int {
	recorder := httptest.NewRecorder()
	api.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "http://localhost"+path, http.NoBody))
	return recorder.Code
}

// On the program's own HTTP server a stream ends with the API, or with the
// client, and says which.
func TestControlStreamOnAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, end := range []struct {
			of   func(c *systemtest.Client)
			last string
		}{
			{func(c *systemtest.Client) { c.API().Close() }, "the control API is closed"},
			{func(c *systemtest.Client) { c.ExpectClose(nil) }, "the client is closed"},
		} {
			w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
			c := registeredOverNoSec(w)
			s := listen(c)
			go end.of(c)
			last := ""
			for last == "" {
				_, last = s.event(t)
			}
			if last != end.last {
				t.Errorf("the last line is %q, want %q", last, end.last)
			}
			if _, open := <-s.pieces; open {
				t.Error("the stream goes on")
			}
			_ = c.Close(context.Background()) // it may be closed already
			w.Close()
		}
	})
}

// Where the API listens is checked before anything is done.
func TestControlRefusesAnAddress(t *testing.T) {
	client, err := holdfast.New(holdfast.Config{Endpoint: "gw-0001"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = control.Attach(client, control.Config{Listen: "0.0.0.0:8080"})
	faults, ok := errors.AsType[*holdfast.ConfigError](err)
	if !ok || !errors.Is(err, holdfast.ErrInvalidParameters) || len(faults.Faults) != 1 || faults.Faults[0].Key != "control.listen" {
		t.Errorf("%v", err)
	}
	_ = client.Close(context.Background()) // there is no registration to end
}

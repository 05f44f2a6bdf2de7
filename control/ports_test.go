package control_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/control"
)

// attached starts a client with a control API and returns what Start says.
func attached(t *testing.T, cfg control.Config) (*holdfast.Client, *control.Server, error) {
	t.Helper()
	client, err := holdfast.New(holdfast.Config{
		Endpoint: "gw-0001", StateDir: t.TempDir(),
		Server: &holdfast.Account{URI: "coap://127.0.0.1:9", Security: holdfast.SecurityNoSec},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	api, err := control.Attach(client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client, api, client.Start(context.Background())
}

// The address of the metrics has them and health, for whoever gets there by
// whatever name, and nothing else.
func TestMetricsHaveAnAddressOfTheirOwn(t *testing.T) {
	client, api, err := attached(t, control.Config{Listen: "127.0.0.1:0", Metrics: ":0"})
	if err != nil || api.MetricsAddr() == "" || api.MetricsAddr() == api.Addr() {
		t.Fatalf("%v: metrics on %q, API on %q", err, api.MetricsAddr(), api.Addr())
	}
	browser := dialling(t, api.MetricsAddr())
	if text := fetch(t, browser, "http://gateway.example/metrics"); !strings.Contains(text, "holdfast_state{") {
		t.Errorf("metrics: %s", text)
	}
	fetch(t, browser, "http://gateway.example/livez")
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{http.MethodHead, "/metrics", http.StatusOK},
		{http.MethodHead, "/livez", http.StatusOK},
		{http.MethodGet, "/readyz", http.StatusServiceUnavailable}, // it is not registered
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/livez", http.StatusMethodNotAllowed},
		{http.MethodGet, "/v1/status", http.StatusNotFound},
		{http.MethodGet, "/v1/events", http.StatusNotFound},
		{http.MethodGet, "/v1/explain", http.StatusNotFound},
		{http.MethodPost, "/v1/close", http.StatusNotFound},
		{http.MethodGet, "/debug/pprof/", http.StatusNotFound},
	} {
		if got := codeOf(t, browser, test.method, test.path); got != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, got, test.want)
		}
	}
	_ = client.Close(context.Background())
	if response, err := browser.Get("http://gateway.example/livez"); err == nil {
		_ = response.Body.Close()
		t.Error("the metrics outlive the client")
	}
}

func codeOf(t *testing.T, browser *http.Client, method, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://gateway.example"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// They need no control API.
func TestMetricsAlone(t *testing.T) {
	_, api, err := attached(t, control.Config{Metrics: "127.0.0.1:0"})
	if err != nil || api.Addr() != "" {
		t.Fatalf("%v, API on %q", err, api.Addr())
	}
	fetch(t, dialling(t, api.MetricsAddr()), "http://127.0.0.1/metrics")
}

// When one of the two addresses is taken, neither is listened on.
func TestMetricsThatCannotListen(t *testing.T) {
	taken := takenPort(t)
	socket := filepath.Join(t.TempDir(), "c.sock")
	client, api, err := attached(t, control.Config{Listen: "unix:" + socket, Metrics: taken.Addr().String()})
	if !errors.Is(err, control.ErrListen) || !strings.Contains(err.Error(), taken.Addr().String()+" (control.metrics)") {
		t.Errorf("%v", err)
	}
	if _, err := os.Lstat(socket); err == nil || api.Addr() != "" {
		t.Errorf("the API listens on %q", api.Addr())
	}
	_ = taken.Close()
	if err := client.Start(context.Background()); err != nil {
		t.Errorf("second Start: %v", err)
	}
}

func TestControlRefusesGroupsAndAddresses(t *testing.T) {
	client, err := holdfast.New(holdfast.Config{Endpoint: "gw-0001"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cfg       control.Config
		key, says string
	}{
		{control.Config{Listen: "unix:/run/c.sock", Group: "no-such-group-here"}, "control.group", "is no group of this machine"},
		{control.Config{Listen: "127.0.0.1:0", Group: "0"}, "control.group", "has no unix socket"},
		{control.Config{Metrics: "9101"}, "control.metrics", "is neither unix:/path nor host:port"},
		{control.Config{Listen: "127.0.0.1:9101", Metrics: "127.0.0.1:9101"}, "control.metrics", "is control.listen"},
	} {
		_, err := control.Attach(client, test.cfg)
		faults, ok := errors.AsType[*holdfast.ConfigError](err)
		if !ok || len(faults.Faults) != 1 || faults.Faults[0].Key != test.key || !strings.HasPrefix(faults.Faults[0].Problem, test.says) {
			t.Errorf("%+v: %v", test.cfg, err)
		}
	}
	_ = client.Close(context.Background()) // there is no registration to end
}

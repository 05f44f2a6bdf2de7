package configfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast"
)

func TestControlListenFaults(t *testing.T) {
	t.Parallel()
	const notLoopback = "control.listen: is not on loopback: use localhost, 127.0.0.1 or [::1], or a unix socket"
	for listen, want := range map[string]string{
		"":                       "",
		"unix:/run/gw.sock":      "",
		"localhost:8080":         "",
		"127.0.0.1:0":            "",
		"127.1.2.3:65535":        "",
		"[::1]:8080":             "",
		"unix:gw.sock":           "control.listen: names no absolute path after unix:",
		"unix:":                  "control.listen: names no absolute path after unix:",
		"unix:/run/":             "control.listen: names no absolute path after unix:",
		"unix:/" + "a\x00b":      "control.listen: has a zero byte",
		"/run/gw.sock":           "control.listen: is neither unix:/path nor host:port, such as unix:/run/holdfast.sock or 127.0.0.1:8080",
		"8080":                   "control.listen: is neither unix:/path nor host:port, such as unix:/run/holdfast.sock or 127.0.0.1:8080",
		":8080":                  notLoopback,
		"0.0.0.0:8080":           notLoopback,
		"[::]:8080":              notLoopback,
		"192.0.2.1:8080":         notLoopback,
		"gw.example:8080":        notLoopback,
		"localhost.example:80":   notLoopback,
		"[::1%lo]:8080":          notLoopback,
		"127.0.0.1:65536":        "control.listen: has no port from 0 to 65535",
		"127.0.0.1:http":         "control.listen: has no port from 0 to 65535",
		"unix:/" + longPath(103): "control.listen: names a path of more than 103 bytes, which no socket can have",
	} {
		f := File{Config: holdfast.Config{Endpoint: "g"}, Control: Control{Listen: listen}, Log: Log{Level: "info", Format: "json"}}
		got := ""
		for _, fault := range f.faults() {
			got += fault.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", listen, got, want)
		}
	}
}

func longPath(n int) string { return strings.Repeat("a", n) }

func TestLimits(t *testing.T) {
	t.Parallel()
	const head = "endpoint: g\nserver: {uri: coap://h, security: nosec}\n"
	for text, want := range map[string]holdfast.LimitsConfig{
		"":                         {},
		"limits: {}":               {},
		"bootstrap_bytes: 65536":   {BootstrapBytes: 64 << 10},
		"bootstrap_bytes: 256B":    {BootstrapBytes: 256},
		"bootstrap_bytes: 1KiB":    {BootstrapBytes: 1 << 10},
		"bootstrap_bytes: 1MiB":    {BootstrapBytes: 1 << 20},
		"bootstrap_bytes: 1048576": {BootstrapBytes: 1 << 20},
		"queued_messages: 1":       {QueuedMessages: 1},
		"queued_messages: 65536":   {QueuedMessages: 65536},
		"accounts: 1":              {Accounts: 1},
		"accounts: 1000":           {Accounts: 1000},
		"observations: 1":          {Observations: 1},
		"observations: 10000":      {Observations: 10000},
	} {
		if text != "" && text != "limits: {}" {
			text = "limits: {" + text + "}"
		}
		f, err := Loader{Path: writeConfig(t, head+text+"\n"), LookupEnv: noEnv}.Load()
		if err != nil || f.Config.Limits != want {
			t.Errorf("%s: %+v, %v", text, f.Config.Limits, err)
		}
	}
}

func TestLimitsFaults(t *testing.T) {
	t.Parallel()
	const size, count = "is not a size such as 65536, 64KiB or 1MiB", "must be a whole number from 1 to 65536"
	const sizes, servers = "must be from 256B to 1MiB", "must be a whole number from 1 to 1000"
	const watched = "must be a whole number from 1 to 10000"
	for text, want := range map[string]string{
		"bootstrap_bytes: 0":                    "bootstrap_bytes: " + sizes,
		"bootstrap_bytes: 255":                  "bootstrap_bytes: " + sizes,
		"bootstrap_bytes: 1048577":              "bootstrap_bytes: " + sizes,
		"bootstrap_bytes: 2MiB":                 "bootstrap_bytes: " + sizes,
		"bootstrap_bytes: 99999999999999999999": "bootstrap_bytes: " + size,
		"bootstrap_bytes: 4294967295MiB":        "bootstrap_bytes: " + size,
		"bootstrap_bytes: 64 KiB":               "bootstrap_bytes: " + size,
		"bootstrap_bytes: 64kb":                 "bootstrap_bytes: " + size,
		"bootstrap_bytes: -1":                   "bootstrap_bytes: " + size,
		"bootstrap_bytes: KiB":                  "bootstrap_bytes: " + size,
		"bootstrap_bytes: 1.5MiB":               "bootstrap_bytes: " + size,
		"queued_messages: 0":                    "queued_messages: " + count,
		"queued_messages: 65537":                "queued_messages: " + count,
		"queued_messages: many":                 "queued_messages: is not a whole number",
		"accounts: 0":                           "accounts: " + servers,
		"accounts: 1001":                        "accounts: " + servers,
		"accounts: -1":                          "accounts: is not a whole number",
		"accounts: 8.5":                         "accounts: is not a whole number",
		"observations: 0":                       "observations: " + watched,
		"observations: 10001":                   "observations: " + watched,
		"observations: all":                     "observations: is not a whole number",
	} {
		got := loadFaults(t, "endpoint: g\nserver: {uri: coap://h, security: nosec}\nlimits: {"+text+"}\n")
		for i, f := range got {
			_, got[i], _ = strings.Cut(f, " ")
		}
		if diff := cmp.Diff([]string{"limits." + want}, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// logged runs a client that is refused, registers, sends an Update and ends, and
// returns what is in its log.
func logged(t *testing.T, level string) (records []map[string]any, text string) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	defer server.Close()
	server.Misbehave("gw-0001", lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: lwm2m.CodeForbidden})           // a person
	server.Misbehave("gw-0001", lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: lwm2m.CodeInternalServerError}) // is retried
	server.ServeManagement(pc, lwm2mtest.PSK("gw-0001", []byte("0123456789abcdef")))
	config := writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: gw-0001\nstate_dir: %s\nlifetime: 2s\nlog: {level: %s, format: json}\n"+
		"server: {uri: \"coaps://%s\", security: psk, psk_identity: gw-0001, psk_key: %x}\nreconnect: {initial_min: 10ms, initial_max: 10ms, max: 20ms}\n",
		t.TempDir(), level, pc.LocalAddr(), "0123456789abcdef"))
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr syncBuffer
	p := &process{t: t, stop: stop, lines: json.NewDecoder(r), ended: make(chan int, 1)}
	go func() {
		exit := run(ctx, []string{"run", "--json", "--config", config}, w, &stderr)
		_ = w.Close()
		p.ended <- exit
	}()
	p.until("registration_updated")
	if exit := p.end(); exit != exitDone {
		t.Errorf("run: exit %d", exit)
	}
	lines := json.NewDecoder(strings.NewReader(stderr.String()))
	for {
		var record map[string]any
		if lines.Decode(&record) != nil {
			return records, stderr.String()
		}
		records = append(records, record)
	}
}

// Each level shows what the one above it does, and more; the key is in none.
func TestLevelsOfTheLog(t *testing.T) {
	t.Parallel()
	shows := []struct{ level, key, value string }{
		{"error", "message", "ConnectInvalidParameters"},
		{"warn", "message", "ConnectNetworkError"},
		{"info", "event", "registered"},
		{"info", "event", "unregistered"},
		{"debug", "event", "registration_updated"},
		{"debug", "event", "state"},
		{"debug", "sent", "ClientKeyExchange and Finished"},
		{"debug", "sent", "Register"},
		{"trace", "message", "account"},
	}
	rank := map[string]int{"disabled": 0, "error": 1, "warn": 2, "info": 3, "debug": 4, "trace": 5}
	for level, n := range rank {
		records, text := logged(t, level)
		for _, show := range shows {
			found := false
			for _, r := range records {
				if r[show.key] == show.value {
					found = true
					if r["endpoint"] != "gw-0001" || r["level"] != show.level || r["time"] == nil {
						t.Errorf("%s: %v", level, r)
					}
				}
			}
			if want := rank[show.level] <= n; found != want {
				t.Errorf("%s shows %s %s: %t, want %t", level, show.key, show.value, found, want)
			}
		}
		if strings.Contains(text, "0123456789abcdef") || strings.Contains(text, fmt.Sprintf("%x", "0123456789abcdef")) {
			t.Errorf("%s shows the key", level)
		}
		if level == "disabled" && text != "" {
			t.Errorf("disabled: %s", text)
		}
	}
}

// On a terminal that shows the events they are not in the log as well.
func TestEventsAreShownOnce(t *testing.T) {
	t.Parallel()
	for shown, want := range map[bool]string{true: "other", false: "event other"} {
		var out bytes.Buffer
		config := &reloader{shown: shown}
		logger := slog.New(filtered{zerolog.NewSlogHandler(zerolog.New(&out)), config}).With("endpoint", "g")
		logger.Info("event", "event", "registered", "seq", 7)
		logger.Info("other", "address", "x")
		got := ""
		for line := range strings.Lines(out.String()) {
			var record map[string]any
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				t.Fatal(err)
			}
			got = strings.TrimSpace(got + " " + record["message"].(string))
		}
		if got != want {
			t.Errorf("shown %t: %q, want %q", shown, got, want)
		}
	}
}

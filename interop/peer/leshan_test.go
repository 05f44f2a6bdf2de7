package peer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

func waitEvent(t *testing.T, p *LeshanPeer, name string) Object {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), handshakeTimeout)
	defer cancel()
	event, err := p.WaitEvent(ctx, name, func(o Object) bool { return o["ep"] == testEndpoint })
	if err != nil {
		t.Fatalf("%v; events so far: %v", err, p.Events())
	}
	return event
}

func plainDevice(t *testing.T, addr string) *device {
	t.Helper()
	conn, err := net.Dial("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return newDevice(t, conn)
}

func secureDevice(t *testing.T, addr string, config *dtls.Config) *device {
	t.Helper()
	conn, err := dial(t, addr, config)
	if err != nil {
		t.Fatal(err)
	}
	return newDevice(t, conn)
}

func mustRegister(t *testing.T, p *LeshanPeer, d *device) {
	t.Helper()
	if code := d.register(testEndpoint); code != 0x41 {
		t.Fatalf("Register answered %#x, want 2.01", code)
	}
	if event := waitEvent(t, p, "registered"); event["lifetime"] != 300.0 || event["version"] != "1.1" {
		t.Errorf("registered = %v", event)
	}
}

func TestLeshanStartsAndEnds(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{LeshanServer, LeshanBootstrap} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			Require(t, KindLeshan)
			leshanCommand(t) // so that the build does not count
			began := time.Now()
			p := Leshan(t, kind)
			t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
			if coap, coaps := p.Ports(); coap == 0 || coaps == 0 || coap == coaps {
				t.Errorf("ports %d and %d", coap, coaps)
			}
			p.Do(Object{"op": "psk", "ep": testEndpoint, "id": testEndpoint, "key": "00ff"})
			if err := p.Close(); err != nil {
				t.Errorf("Close: %v, want an exit status of 0", err)
			}
			if _, err := p.Call(t.Context(), Object{"op": "clients"}); !errors.Is(err, errExited) {
				t.Errorf("Call after Close: %v, want %v", err, errExited)
			}
		})
	}
}

func TestLeshanReportsErrors(t *testing.T) {
	t.Parallel()
	p := Leshan(t, LeshanServer)
	for _, command := range []Object{
		{"op": "nonesuch"},
		{"op": "psk", "id": "no endpoint"},
		{"op": "read", "ep": "nobody", "path": "/3/0"},
	} {
		reply, err := p.Call(t.Context(), command)
		if err != nil || reply["error"] == nil || reply["op"] != command["op"] {
			t.Errorf("%v: reply %v, %v, want an error", command, reply, err)
		}
	}
}

func TestLeshanReads(t *testing.T) {
	t.Parallel()
	p := Leshan(t, LeshanServer)
	d := plainDevice(t, p.CoAP())
	mustRegister(t, p, d)
	for _, c := range []struct {
		format string
		number uint32
		body   string // /3/0/0 = "Holdfast"
	}{
		{"TLV", formatTLV, "c80008486f6c6466617374"},
		{"SENML_CBOR", formatSenML, "81a221662f332f302f300368486f6c6466617374"},
	} {
		body, err := hex.DecodeString(c.body)
		if err != nil {
			t.Fatal(err)
		}
		reply := make(chan Object, 1)
		go func() {
			// No Do: that may end the test, which only its own goroutine can.
			o, _ := p.Call(t.Context(), Object{
				"op": "read", "ep": testEndpoint, "path": "/3/0/0", "format": c.format,
			})
			reply <- o
		}()
		m := d.receive()
		if accept, _ := m.option(optionAccept); m.code != codeGET || m.path() != "/3/0/0" || accept != c.number {
			t.Errorf("%s: request %+v", c.format, m)
		}
		d.reply(m, codeContent, []option{number(optionFormat, c.number)}, body)
		got := <-reply
		content, _ := got["content"].(string)
		if got["code"] != "CONTENT(205)" || !strings.Contains(content, "Holdfast") {
			t.Errorf("%s: reply %v", c.format, got)
		}
	}
}

func TestLeshanPSK(t *testing.T) {
	t.Parallel()
	p := Leshan(t, LeshanServer, "--cid", "0")
	p.Do(Object{"op": "psk", "ep": testEndpoint, "id": testEndpoint, "key": hex.EncodeToString(testKey)})
	d := secureDevice(t, p.CoAPS(), pskConfig(testEndpoint, testKey))
	mustRegister(t, p, d)
	if code := plainDevice(t, p.CoAP()).register(testEndpoint); code != 0x83 {
		t.Errorf("Register over NoSec answered %#x, want 4.03", code)
	}
	clients, _ := p.Do(Object{"op": "clients"})["clients"].([]any)
	if len(clients) != 1 || clients[0] != testEndpoint {
		t.Errorf("clients = %v", clients)
	}
}

func TestLeshanX509(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, testEndpoint)
	files := set.Server.WriteFiles(t)
	p := Leshan(t, LeshanServer, "--cert", files.Cert, "--key", files.Key, "--trust", set.CA.WriteFile(t))
	p.Do(Object{"op": "x509", "ep": testEndpoint})
	d := secureDevice(t, p.CoAPS(), x509Config(set, set.Client, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8))
	mustRegister(t, p, d)
}

// Leshan pushes a package in blocks, with operations before and after it, and says what has
// become of it.
func TestLeshanPushes(t *testing.T) {
	t.Parallel()
	const size = 10 << 20
	p := Leshan(t, LeshanServer)
	d := plainDevice(t, p.CoAP())
	mustRegister(t, p, d)
	replies := make(chan Object, 1)
	push := func(size int64, path string) {
		file := imageFile(t, 1, size)
		go func() {
			// No Do: that may end the test, which only its own goroutine can.
			o, _ := p.Call(t.Context(), Object{"op": "push", "ep": testEndpoint, "path": path, "file": file})
			replies <- o
		}()
	}
	began := time.Now()
	push(size, "/5/0/0")
	written, blocks := d.serveWrite("/5/0/0", formatOpaque)
	if reply := <-replies; reply["code"] != "CHANGED(204)" {
		t.Errorf("reply to the push of %d bytes: %v", size, reply)
	}
	if sha256.Sum256(written) != lwm2mtest.Pattern(1).SHA256(size) || blocks < size/1024 {
		t.Errorf("%d bytes in %d blocks that are not those of the file", len(written), blocks)
	}
	t.Logf("%d bytes in %v", size, time.Since(began))
	push(100, "/5/0/0")
	m := d.receive()
	for len(m.payload) != 100 { // the last block has come again
		m = d.receive()
	}
	d.reply(m, codeUnsupported, nil, []byte("no image")) // a 4.13 it answers by Block1
	if reply := <-replies; reply["code"] != "UNSUPPORTED_CONTENT_FORMAT(415)" || reply["message"] != "no image" {
		t.Errorf("reply %v", reply)
	}
	for _, bad := range []Object{
		{"path": "/5/0/0", "file": "none"}, {"path": "/5/0/0"}, {"path": "/5/0/0", "file": "none", "timeout_ms": 600001},
	} {
		bad["op"], bad["ep"] = "push", testEndpoint
		if reply, err := p.Call(t.Context(), bad); err != nil || reply["error"] == nil {
			t.Errorf("%v: %v, %v", bad, reply, err)
		}
	}
}

func TestLeshanRestartForgets(t *testing.T) {
	t.Parallel()
	p := Leshan(t, LeshanServer)
	mustRegister(t, p, plainDevice(t, p.CoAP()))
	coap, coaps := p.CoAP(), p.CoAPS()
	p.Restart()
	if p.CoAP() != coap || p.CoAPS() != coaps {
		t.Errorf("restarted on %s and %s, want %s and %s", p.CoAP(), p.CoAPS(), coap, coaps)
	}
	if clients, _ := p.Do(Object{"op": "clients"})["clients"].([]any); len(clients) != 0 {
		t.Errorf("clients after a restart = %v, want none", clients)
	}
	mustRegister(t, p, plainDevice(t, p.CoAP()))
}

// bootstrapConfig gives the device an account whose server certificate has
// that many bytes.
func bootstrapConfig(certificateSize int) Object {
	return Object{
		"op": "config", "ep": testEndpoint, "delete": []string{"/0", "/1"}, "format": "TLV",
		"security": []Object{{
			"instance": 1, "uri": "coaps://127.0.0.1:5684", "mode": "X509", "ssid": 123,
			"cert": "00", "key": "00", "server_cert": strings.Repeat("5a", certificateSize),
		}},
		"servers": []Object{{"instance": 0, "ssid": 123, "lifetime": 300}},
	}
}

func startBootstrap(t *testing.T, d *device) {
	t.Helper()
	options := append(text(optionPath, "bs"), text(optionQuery, "ep="+testEndpoint)...)
	if code := d.request(codePOST, options, "").code; code != codeChanged {
		t.Fatalf("Bootstrap-Request answered %#x, want 2.04", code)
	}
}

func TestLeshanBootstrapsInBlocks(t *testing.T) {
	t.Parallel()
	const size = 5000
	p := Leshan(t, LeshanBootstrap, "--block-size", "256")
	p.Do(bootstrapConfig(size))
	d := plainDevice(t, p.CoAP())
	startBootstrap(t, d)
	written, blocks := d.serveBootstrap("")
	waitEvent(t, p, "bs_end")
	if got := string(written["/0/1"]); !strings.Contains(got, strings.Repeat("Z", size)) || len(got) < size {
		t.Errorf("Security object of %d bytes, want the certificate of %d in it", len(got), size)
	}
	if want := size / 256; blocks < want {
		t.Errorf("at most %d blocks, want at least %d", blocks, want)
	}
	if len(written["/1/0"]) == 0 {
		t.Errorf("written: %v, want /1/0 too", written)
	}
}

func TestLeshanHoldsFinish(t *testing.T) {
	t.Parallel()
	p := Leshan(t, LeshanBootstrap)
	p.Do(bootstrapConfig(10))
	p.Do(Object{"op": "hold", "ep": testEndpoint})
	d := plainDevice(t, p.CoAP())
	startBootstrap(t, d)
	d.serveBootstrap("/1/0")
	waitEvent(t, p, "bs_held")
	if reply := p.Do(Object{"op": "release", "ep": testEndpoint}); reply["released"] != true {
		t.Errorf("release = %v, want a session that waited", reply)
	}
	d.serveBootstrap("")
	waitEvent(t, p, "bs_end")
	if reply := p.Do(Object{"op": "release", "ep": testEndpoint}); reply["released"] != false {
		t.Errorf("second release = %v, want nothing to release", reply)
	}
}

func TestLeshanKilled(t *testing.T) {
	t.Parallel()
	p := Leshan(t, LeshanServer)
	p.Kill()
	if _, err := p.WaitEvent(t.Context(), "registered", nil); !errors.Is(err, errExited) {
		t.Errorf("WaitEvent after Kill: %v, want %v", err, errExited)
	}
}

package behaviour_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// answering serves a port of the management server with one answer to everything.
func answering(t *testing.T, w *systemtest.World, port uint16, answer []byte) {
	t.Helper()
	pc, err := w.Host.ListenPacket(port)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 2048)
		for {
			_, from, err := pc.ReadFrom(b)
			if err != nil {
				return // the network is closed
			}
			_, _ = pc.WriteTo(answer, from)
		}
	}()
	t.Cleanup(func() { _ = pc.Close() })
}

// A port that speaks another protocol is named as one.
func TestAnotherProtocolAtThePort(t *testing.T) {
	for name, c := range map[string]struct {
		secured        bool
		answer         []byte
		code           holdfast.ErrorCode
		detail, remedy string
	}{
		"plain CoAP where DTLS should be": {true, []byte{0x70, 0, 0, 0}, holdfast.CodeTimeout, "plain CoAP", "does not speak DTLS"},
		"rubbish where DTLS should be":    {true, []byte("HTTP/1.1 400"), holdfast.CodeTimeout, "none of them DTLS", "does not speak DTLS"},
		"zeros where DTLS should be":      {true, make([]byte, 20), holdfast.CodeTimeout, "none of them DTLS", "does not speak DTLS"},
		"an alert of DTLS in answer to plain CoAP": {
			false, []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 10}, holdfast.CodeResponseParse, "a record of DTLS", "speaks DTLS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				cfg, port := w.NoSec(), uint16(systemtest.CoAPPort)
				if c.secured {
					cfg, port = w.PSK(), systemtest.DTLSPort
				}
				answering(t, w, port, c.answer)
				client := w.Start(cfg)
				e := client.ExpectError(c.code)
				if !strings.Contains(e.Detail, c.detail) || !strings.Contains(e.Remedy, c.remedy) {
					t.Errorf("%q, %q", e.Detail, e.Remedy)
				}
				client.ExpectClose(holdfast.ErrNotRegistered)
			})
		})
	}
}

// Silence at the wrong port: the remedy says that this is what it looks like.
func TestSilenceOfAnotherProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.DTLSPort, lwm2mtest.NoSec())
		w.Serve(systemtest.CoAPPort, lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key))
		client := w.Start(w.PSK())
		if e := client.ExpectError(holdfast.CodeTimeout); !strings.Contains(e.Remedy, "one for plain CoAP is silent like this") {
			t.Errorf("%q", e.Remedy)
		}
		client.ExpectClose(holdfast.ErrNotRegistered)
		client = w.Start(w.NoSec())
		if e := client.ExpectError(holdfast.CodeTimeout); !strings.Contains(e.Remedy, "one for DTLS is silent like this") {
			t.Errorf("%q", e.Remedy)
		}
		client.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// A server that does not know the identity, and one that has another key, are told
// apart as far as it lets them be, and lead to new credentials when they say so twice.
func TestRefusedPreSharedKey(t *testing.T) {
	for name, c := range map[string]struct {
		alert  uint8 // 0: as the server itself says it
		remedy string
	}{
		"unknown identity, as said by internal_error": {0, "identity and key"},
		"unknown identity":                            {115, "does not know this device's PSK identity"},
		"another key":                                 {20, "another pre-shared key"},
		"another key, as said by decrypt_error":       {51, "another pre-shared key"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				management := w.ServeAndDeliver()
				cfg := w.PSK()
				cfg.Bootstrap = w.Factory().Bootstrap
				if c.alert > 0 {
					management.RefuseHandshakes(c.alert)
				} else {
					cfg.Server.PSKIdentity = "nobody"
				}
				client := w.Start(cfg)
				for _, action := range []holdfast.Action{holdfast.ActionRetry, holdfast.ActionBootstrap} {
					e := client.ExpectError(holdfast.CodeSecureConnection)
					if e.Action != action || !strings.Contains(e.Remedy, c.remedy) || strings.Contains(e.Remedy, "certificate") {
						t.Errorf("%+v", e)
					}
				}
				management.AcceptHandshakes()
				client.Next(holdfast.EventBootstrapped)
				client.WaitFor(holdfast.Registered)
				client.ExpectClose(nil)
			})
		})
	}
}

// A session that the server closes while the client is registered.
func TestSessionThatTheServerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		service := w.ServePSK()
		client := w.Start(w.PSK())
		client.WaitFor(holdfast.Registered)
		time.Sleep(time.Minute)
		service.Close()
		w.ServePSK()
		e := client.ExpectError(holdfast.CodeNetwork)
		if !strings.Contains(e.Detail, "the server closed the session") || !strings.Contains(e.Remedy, "The server closed the session") {
			t.Errorf("%+v", e)
		}
		client.Next(holdfast.EventRegistered)
		client.ExpectClose(nil)
	})
}

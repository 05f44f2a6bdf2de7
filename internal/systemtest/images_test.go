package systemtest

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// expectImage demands that a server of files answers with one.
func expectImage(t *testing.T, conn net.Conn) {
	t.Helper()
	m := coap.Message{Type: coap.CON, Code: messages.GET, MID: 1, Token: []byte{1}}
	m.AddString(coap.URIPath, "fw")
	if _, err := conn.Write(Encode(t, m)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute)) // no error: the connection is open
	answer := make([]byte, 2048)
	n, err := conn.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := coap.Decode(answer[:n]); err != nil || got.Code != messages.Content || len(got.Payload) != 1024 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestServeImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		for _, port := range []uint16{CoAPPort, 9999} {
			at := w.ServeImages(port, lwm2mtest.NoSec()).Addr()
			w.Images.SetFile("/fw", lwm2mtest.Pattern(1).File(5000))
			conn, err := w.Gateway.Dial(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			expectImage(t, conn)
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
		if addrs, err := w.Gateway.Lookup(t.Context(), "images.test"); err != nil || len(addrs) != 1 || addrs[0] != ImageAddr {
			t.Errorf("images.test is %v, %v", addrs, err)
		}
	})
}

func TestLiveImages(t *testing.T) {
	server, service := LiveImages(t, lwm2mtest.NoSec())
	server.SetFile("/fw", lwm2mtest.Pattern(1).File(5000))
	conn, err := net.Dial("udp4", service.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	expectImage(t, conn)
}

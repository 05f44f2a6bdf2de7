package systemtest

import (
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// ServeImages opens a port of a host of its own, images.test, whose server has nothing but
// files to be fetched: those of World.Images. A second call opens a second port.
func (w *World) ServeImages(port uint16, security lwm2mtest.Security) *lwm2mtest.Service {
	w.T.Helper()
	if w.Images == nil {
		w.ImageHost = w.Network.Host("images.test", ImageAddr)
		w.Images = lwm2mtest.NewServer(lwm2mtest.ServerOptions{Seed: 2})
	}
	pc, err := w.ImageHost.ListenPacket(port)
	if err != nil {
		w.T.Fatal(err)
	}
	return w.Images.ServeFiles(pc, security)
}

// LiveImages is a server on loopback that has nothing but files to be fetched. It closes with
// the test.
func LiveImages(t *testing.T, security lwm2mtest.Security) (*lwm2mtest.Server, *lwm2mtest.Service) {
	t.Helper()
	l := NewLive(t)
	return l.Server, l.Server.ServeFiles(l.Listen(0), security)
}

package interop

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

// formats are the payload formats that both sides speak.
var formats = []string{"TLV", "SENML_CBOR"}

// wholeLife registers, is read, updates and de-registers.
func wholeLife(t *testing.T, server *leshan, account *holdfast.Account) {
	t.Helper()
	cfg := quick(t)
	cfg.Server = account
	c := start(t, cfg)
	e := c.registered()
	if e.Server != account.URI || e.Lifetime != 300*time.Second || e.LwM2M != "1.1" || e.Attempts != 1 {
		t.Errorf("registered: %+v", e)
	}
	r := server.event("registered")
	if r["lifetime"] != 300.0 || r["version"] != "1.1" || r["binding"] != "[U]" || r["queue"] != false {
		t.Errorf("the server says: %v", r)
	}
	if links, _ := r["links"].(string); strings.Contains(links, "</0") {
		t.Errorf("object 0 stands among the links: %s", links)
	}
	readEverything(server)
	if err := c.RegisterUpdate(context.Background()); err != nil {
		t.Errorf("RegisterUpdate: %v", err)
	}
	c.nextOf(holdfast.EventRegistrationUpdated)
	server.event("updated")
	c.leave()
	if u := server.event("unregistered"); u["expired"] != false {
		t.Errorf("the server says: %v", u)
	}
	if errs := c.errorsSeen(); len(errs) > 0 {
		t.Errorf("errors: %s", c.story())
	}
}

func readEverything(server *leshan) {
	server.t.Helper()
	for _, format := range formats {
		server.read("/3/0", format, holdfast.DefaultManufacturer)
		server.read("/1/0", format, "300")
		server.read("/3/0/0", format, holdfast.DefaultManufacturer)
	}
	for _, path := range []string{"/0", "/0/0", "/0/0/5"} {
		server.refuses(path, "UNAUTHORIZED(401)")
	}
	server.refuses("/9", "NOT_FOUND(404)")
}

func TestLeshanNoSec(t *testing.T) {
	t.Parallel()
	server := management(t)
	wholeLife(t, server, noSec(server.CoAP()))
}

func TestLeshanPSK(t *testing.T) {
	t.Parallel()
	server := management(t)
	server.allowPSK(testKey)
	wholeLife(t, server, psk(server.CoAPS(), testKey))
}

func TestLeshanX509(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	files := set.Server.WriteFiles(t)
	server := management(t, "--cert", files.Cert, "--key", files.Key, "--trust", set.CA.WriteFile(t))
	server.Do(peer.Object{"op": "x509", "ep": endpoint})
	wholeLife(t, server, x509(t, server.CoAPS(), set.Client, set.CA))
}

// Leshan knows the extension for connection IDs, but asks for none.
func TestLeshanWithoutCID(t *testing.T) {
	t.Parallel()
	server := management(t, "--cid", "0")
	server.allowPSK(testKey)
	wholeLife(t, server, psk(server.CoAPS(), testKey))
}

package matrix_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// recordFile returns the one file of a record.
func recordFile(t *testing.T, dir, record string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, record+".*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	return files[0]
}

// A private key that a bootstrap delivers stands in no output either, whatever
// goes wrong with it.
func TestPrivateKeysAreNeverPutOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		server, own := systemtest.IssueServer(t, ca), systemtest.Issue(t, ca, testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint})
		der, err := own.KeyDER()
		if err != nil {
			t.Fatal(err)
		}
		w.ServeBootstrap()
		w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Writes: lwm2mtest.AccountConfig{
			URI: "coaps://192.0.2.1", Certificate: own.Cert.Raw, PrivateKey: der, ServerCertificate: server.Cert.Raw,
		}.Writes()})
		management := w.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		management.RefuseHandshakes(46)
		log := &systemtest.Buffer{}
		c := w.Start(w.Factory(), holdfast.WithLogger(slog.New(zerolog.NewSlogHandler(zerolog.New(log).Level(zerolog.DebugLevel)))))
		for range 3 {
			c.ExpectError(holdfast.CodeSecureConnection)
		}
		management.AcceptHandshakes()
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
		c.Story()
		var out bytes.Buffer
		for _, e := range append(c.Seen, holdfast.Event{Detail: fmt.Sprintf("%+v", c.Status())}) {
			if err := json.NewEncoder(&out).Encode(e); err != nil {
				t.Error(err)
			}
		}
		systemtest.CheckKeys(t, out.String()+log.String(), map[string][]byte{"the private key": der, "a part of it": der[len(der)/2 : len(der)/2+24]})
	})
}

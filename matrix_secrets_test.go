package holdfast_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// checkSecrets demands that no key of the tests stands in a text, in any form
// in which it might get there.
func checkSecrets(t *testing.T, text string) {
	t.Helper()
	checkKeys(t, text, map[string][]byte{"the server's key": testKey, "the bootstrap server's key": bootstrapKey})
}

func checkKeys(t *testing.T, text string, keys map[string][]byte) {
	t.Helper()
	for name, key := range keys {
		for form, spelt := range spellings(key) {
			if strings.Contains(strings.ToLower(text), strings.ToLower(spelt)) {
				t.Errorf("%s stands in the output, in %s", name, form)
			}
		}
	}
}

// spellings returns the forms of a key that a formatting verb or an encoder
// makes of it.
func spellings(key []byte) map[string]string {
	decimal := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(key)), " "), "[]")
	return map[string]string{
		"bytes": string(key), "hexadecimal": hex.EncodeToString(key), "base64": base64.StdEncoding.EncodeToString(key),
		"base64url": base64.RawURLEncoding.EncodeToString(key), "decimal": decimal,
	}
}

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
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		ca := authority(t)
		server, own := issueServer(t, ca), issue(t, ca, testpki.Request{Role: testpki.Client, CommonName: endpoint})
		der, err := own.KeyDER()
		if err != nil {
			t.Fatal(err)
		}
		w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
		w.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{Writes: lwm2mtest.AccountConfig{
			URI: "coaps://192.0.2.1", Certificate: own.Cert.Raw, PrivateKey: der, ServerCertificate: server.Cert.Raw,
		}.Writes()})
		management := w.serve(dtlsPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		management.RefuseHandshakes(46)
		log := &lockedBuffer{}
		c := w.start(w.factory(), holdfast.WithLogger(zerolog.New(log).Level(zerolog.DebugLevel)))
		for range 3 {
			c.expectError(messages.ConnectSecureConnectionFailed)
		}
		management.AcceptHandshakes()
		c.await(holdfast.Registered)
		c.close(nil)
		c.story()
		var out bytes.Buffer
		for _, e := range append(c.seen, holdfast.Event{Detail: fmt.Sprintf("%+v", c.Status())}) {
			if err := json.NewEncoder(&out).Encode(e); err != nil {
				t.Error(err)
			}
		}
		checkKeys(t, out.String()+log.String(), map[string][]byte{"the private key": der, "a part of it": der[len(der)/2 : len(der)/2+24]})
	})
}

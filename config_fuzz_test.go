package holdfast

import (
	"strings"
	"testing"
)

// configExample is the example of the documentation, as far as this release
// admits its keys.
const configExample = `endpoint: gw-0001               # required, 1 to 64 bytes
account_id: 0123456789abcdef    # optional
state_dir: ./state
lifetime: 24h
lwm2m_version: "1.1"
bootstrap:
  uri: coaps://127.0.0.1:5684
  security: psk
  psk_identity: gw-0001
  psk_key: 000102030405060708090a0b0c0d0e0f
server:
  uri: coap://127.0.0.1:5683
  security: nosec
reconnect:
  policy: auto
  initial_min: 2s
  initial_max: 10s
  max: 168h
registration_timeout: 3m
coap: {ack_timeout: 2s, ack_random_factor: 1.5, max_retransmit: 4, nstart: 1}
dns: {server: ""}
device: {manufacturer: Holdfast, model: "", serial: "", firmware: ""}
log: {level: info, format: console}
`

func FuzzParseConfig(f *testing.F) {
	for _, seed := range []string{
		configExample, "", "# nothing\n", "endpoint: gw\n", "a: b\n  c: [\n", "- a\n", "<<: {a: b}\n", "? a\n: b\n",
		"endpoint: &x gw\naccount_id: *x\n", "endpoint: !!str 5\n", "endpoint: |\n  gw\n", "a: 1\n---\nb: 2\n",
		"bootstrap:\nserver: {}\n", "bootstrap: {uri: {a: b}, psk_key: 00112233}\n", "objects: [{path: /3}]\n",
		"endpoint: gw\r\ncoap:\r\n  nstart: 0x1\r\n", "{endpoint: gw, log: {level: debug}}", "%YAML 1.2\n---\nendpoint: gw\n",
		"---\n---\n", "00\n---", "endpoint: \"g\\x00w\"\n", "endpoint: 'it''s'\n", "lifetime: .inf\n", "endpoint: gw\nendpoint: gw\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > configMaxSize {
			return
		}
		file, faults := parseConfig(data, "x.yaml")
		c, faults := newConfigSources(file).config(faults)
		for _, fault := range faults {
			if fault.Problem == "" || strings.ContainsRune(fault.Key, '\n') {
				t.Errorf("fault %+v", fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("loaded without faults, and yet %v", err)
		}
	})
}

// FuzzCredentialFiles throws content at the readers of the files that a
// configuration names: they find a fault or return something.
func FuzzCredentialFiles(f *testing.F) {
	f.Add([]byte("00ffAA\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\nDEK-Info: x\n\nAAAA\n-----END EC PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, parse := range map[string]func(*credentialFiles) bool{
			"PSK":          func(r *credentialFiles) bool { return len(r.parsePSK("f", data)) > 0 },
			"certificates": func(r *credentialFiles) bool { return len(r.parseCertificates("trust", "f", data)) > 0 },
			"private key":  func(r *credentialFiles) bool { return len(r.parsePrivateKey("f", data)) > 0 },
		} {
			r := &credentialFiles{section: "server"}
			if got := parse(r); !got && len(r.faults) == 0 {
				t.Errorf("%s: nothing, and no fault", name)
			}
		}
	})
}

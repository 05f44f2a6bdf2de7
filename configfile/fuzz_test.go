package configfile

import (
	"strings"
	"testing"
)

// example is the example of the documentation, as far as this release
// admits its keys.
const example = `endpoint: gw-0001               # required, 1 to 64 bytes
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
bootstrap_timeout: 15m
coap: {ack_timeout: 2s, ack_random_factor: 1.5, max_retransmit: 4, nstart: 1}
dns: {server: ""}
dtls: {cid: true, keep_sessions: true}
limits: {bootstrap_bytes: 64KiB, queued_messages: 64, accounts: 8, observations: 256}
device: {manufacturer: Holdfast, model: "", serial: "", firmware: ""}
control: {listen: unix:/run/gw.sock}
log: {level: info, format: console}
`

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		example, "", "# nothing\n", "endpoint: gw\n", "a: b\n  c: [\n", "- a\n", "<<: {a: b}\n", "? a\n: b\n",
		"endpoint: &x gw\naccount_id: *x\n", "endpoint: !!str 5\n", "endpoint: |\n  gw\n", "a: 1\n---\nb: 2\n",
		"bootstrap:\nserver: {}\n", "bootstrap: {uri: {a: b}, psk_key: 00112233}\n", "objects: [{path: /3}]\n",
		"endpoint: gw\r\ncoap:\r\n  nstart: 0x1\r\n", "{endpoint: gw, log: {level: debug}}", "%YAML 1.2\n---\nendpoint: gw\n",
		"---\n---\n", "00\n---", "endpoint: \"g\\x00w\"\n", "endpoint: 'it''s'\n", "lifetime: .inf\n", "endpoint: gw\nendpoint: gw\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxSize {
			return
		}
		file, faults := parse(data, "x.yaml")
		f, faults := newSources(file).file(faults)
		for _, fault := range faults {
			if fault.Problem == "" || strings.ContainsRune(fault.Key, '\n') {
				t.Errorf("fault %+v", fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		if err := f.Config.Validate(); err != nil {
			t.Errorf("loaded without faults, and yet %v", err)
		}
	})
}

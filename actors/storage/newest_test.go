package storage

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// cabinet holds records by name.
type cabinet struct {
	Records
	content map[string][]byte
}

func (c cabinet) Names(prefix string) (names []string, _ error) {
	for name := range c.content {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

func (c cabinet) Load(name string) (store.Record, error) {
	data, ok := c.content[name]
	if !ok {
		return store.Record{}, errors.New("input/output error")
	}
	return store.Record{Data: data}, nil
}

// What is stored says that an instant has passed: a server accepted something, or a
// certificate was delivered. What cannot be read says nothing.
func TestNewest(t *testing.T) {
	accepted := time.Unix(1_800_000_000, 0)
	target, err := uri.Parse("coaps://server.test")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(testpki.Request{ValidIn: time.Until(accepted.Add(time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	key, err := leaf.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	state, err := accounts.EncodeState(accounts.State{
		Owner: accounts.StateOwner{Endpoint: "gw", Server: "coaps://server.test"}, Location: []string{"rd"}, Version: "1.1", Accepted: accepted,
	})
	if err != nil {
		t.Fatal(err)
	}
	delivered := accounts.Encode(accounts.ToTree([]messages.Account{{
		Peer: messages.ManagementPeer(1), URI: target, Credentials: messages.Credentials{
			Mode: messages.SecurityX509, Certificate: [][]byte{leaf.Cert.Raw}, PrivateKey: key,
			Usage: messages.UsageTrustAnchor, ServerCertificates: [][]byte{ca.Cert.Raw},
		},
	}}))
	for name, c := range map[string]struct {
		content map[string][]byte
		want    time.Time
	}{
		"nothing":       {nil, time.Time{}},
		"garbage":       {map[string][]byte{"state-1": []byte("x"), messages.RecordCredentials: []byte("x")}, time.Time{}},
		"a state":       {map[string][]byte{"state-1": state}, accepted},
		"a certificate": {map[string][]byte{"state-1": state, messages.RecordCredentials: delivered}, leaf.Cert.NotBefore},
	} {
		if got := Newest(cabinet{content: c.content}, time.Time{}); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

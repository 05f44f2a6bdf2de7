package accounts

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// movableState is a session that a server finds by its Connection ID.
func movableState() dtls.Exported {
	direction := func(with byte) record.Direction {
		return record.Direction{Key: bytes.Repeat([]byte{with}, 16), Salt: bytes.Repeat([]byte{with}, 4), CID: []byte{with}}
	}
	return dtls.Exported{
		Suite: dtls.PSKWithAES128CCM8, Proof: dtls.Proof{Kind: dtls.ProofPSK},
		Record: &record.State{Cipher: record.AES128CCM8, Epoch: 1, Next: 1, Sealed: 1, Write: direction(1), Read: direction(2)},
	}
}

func resumableState() dtls.Exported {
	return dtls.Exported{
		Suite: dtls.PSKWithAES128CCM8, Proof: dtls.Proof{Kind: dtls.ProofPSK},
		Resume: &dtls.Resumption{ID: []byte{1}, Suite: dtls.PSKWithAES128CCM8, Master: bytes.Repeat([]byte{3}, 48), Proof: dtls.Proof{Kind: dtls.ProofPSK}},
	}
}

func securedAccount() messages.Account {
	target, err := uri.Parse("coaps://server.test")
	if err != nil {
		panic(err)
	}
	return messages.Account{
		Peer: messages.ManagementPeer(1), URI: target,
		Credentials: messages.Credentials{Mode: messages.SecurityPSK, Identity: "device", Key: messages.Secret("0123456789abcdef")},
	}
}

var here = Digest{7}

func storedSession(state dtls.Exported, reserved uint64) Session {
	a := securedAccount()
	s := Session{
		Owner: OwnerOf("gw", a), Place: here, Since: time.Unix(1_700_000_000, 0), Reserved: reserved, State: state.Encode(),
	}
	s.Proof = ProofOf(&a, s.State)
	return s
}

func TestSessionRecordsAreReadAsWritten(t *testing.T) {
	for _, s := range []Session{storedSession(movableState(), messages.SequenceBlock), storedSession(resumableState(), 0)} {
		data := EncodeSession(s)
		read, err := DecodeSession(data)
		if err != nil || !reflect.DeepEqual(read, s) {
			t.Errorf("%v: %#v", err, read)
		}
		for n := range data {
			if _, err := DecodeSession(data[:n]); err == nil {
				t.Errorf("the first %d bytes are read", n)
			}
		}
		if _, err := DecodeSession(append(bytes.Clone(data), 0)); err == nil {
			t.Error("a byte more is read")
		}
	}
	for name, s := range map[string]Session{
		"reserved less than is used":             storedSession(movableState(), 0),
		"reserved for one that is to be resumed": storedSession(resumableState(), 1),
		"reserved beyond the last number":        storedSession(movableState(), 1<<48),
		"no session":                             {Reserved: 1},
	} {
		if _, err := DecodeSession(EncodeSession(s)); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

// However often a process finds the record and dies, no two of them use a sequence number.
func TestClaimedNumbersAreNobodyElses(t *testing.T) {
	data := EncodeSession(storedSession(movableState(), messages.SequenceBlock))
	var free uint64 = messages.SequenceBlock // the first process may have used those below
	for i := range 100 {
		claimed, instead, ok := ClaimSession(data, here)
		if !ok {
			t.Fatalf("%d: not claimed", i)
		}
		s, err := DecodeSession(claimed)
		if err != nil {
			t.Fatal(err)
		}
		state, err := dtls.ParseExported(s.State)
		if err != nil || state.Record.Next < free || s.Reserved != state.Record.Next+messages.SequenceBlock {
			t.Fatalf("%d: from %d to %d, free from %d on: %v", i, state.Record.Next, s.Reserved, free, err)
		}
		a := securedAccount()
		if s.Proof != ProofOf(&a, s.State) {
			t.Fatal("the claim is not bound to the credentials any more")
		}
		if got := s.Secure(); !got.Movable || !got.Unproven || got.Reserved != s.Reserved || got.Suite != "TLS_PSK_WITH_AES_128_CCM_8" {
			t.Fatalf("%v", got)
		}
		data, free = instead, s.Reserved
	}
}

// On doubt nothing is claimed.
func TestDoubtfulSessionsAreNotClaimed(t *testing.T) {
	good := EncodeSession(storedSession(movableState(), messages.SequenceBlock))
	last := EncodeSession(storedSession(movableState(), 1<<48-1))
	for name, c := range map[string]struct {
		data  []byte
		place Digest
	}{
		"another place": {good, Digest{8}}, "no place": {good, Digest{}}, "damaged": {good[1:], here},
		"no numbers left": {last, here},
	} {
		if _, _, ok := ClaimSession(c.data, c.place); ok {
			t.Errorf("%s: claimed", name)
		}
	}
	claimed, instead, ok := ClaimSession(EncodeSession(storedSession(resumableState(), 0)), here)
	if !ok || !bytes.Equal(claimed, instead) {
		t.Error("a session that is to be resumed is not claimed as it is")
	}
}

// A session is bound to all that the account's credentials consist of.
func TestSessionsAreBoundToCredentials(t *testing.T) {
	a := securedAccount()
	state := messages.Secret(movableState().Encode())
	proof := ProofOf(&a, state)
	for name, change := range map[string]func(*messages.Account){
		"key":         func(a *messages.Account) { a.Credentials.Key = messages.Secret("0123456789abcdeX") },
		"identity":    func(a *messages.Account) { a.Credentials.Identity = "x" },
		"mode":        func(a *messages.Account) { a.Credentials.Mode = messages.SecurityX509 },
		"private key": func(a *messages.Account) { a.Credentials.PrivateKey = messages.Secret("x") },
		"certificate": func(a *messages.Account) { a.Credentials.Certificate = [][]byte{{1}} },
		"server's":    func(a *messages.Account) { a.Credentials.ServerCertificates = [][]byte{{1}} },
		"usage":       func(a *messages.Account) { a.Credentials.Usage = messages.UsageTrustAnchor },
		"server name": func(a *messages.Account) { a.Credentials.ServerName = "x" },
		"port":        func(a *messages.Account) { a.URI.Port++ },
	} {
		b := a
		change(&b)
		if ProofOf(&b, state) == proof {
			t.Errorf("%s: the same digest", name)
		}
	}
	if other := movableState(); true {
		other.Record.Write.Key[0]++
		if ProofOf(&a, other.Encode()) == proof {
			t.Error("another session has the same digest")
		}
	}
}

func FuzzDecodeSession(f *testing.F) {
	f.Add(EncodeSession(storedSession(movableState(), messages.SequenceBlock)))
	f.Add(EncodeSession(storedSession(resumableState(), 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSession(data)
		if err != nil {
			return
		}
		if !bytes.Equal(EncodeSession(s), data) {
			t.Errorf("%x", data)
		}
		if claimed, instead, ok := ClaimSession(data, s.Place); ok {
			for _, d := range [][]byte{claimed, instead} {
				if _, err := DecodeSession(d); err != nil {
					t.Errorf("%x: %v", d, err)
				}
			}
		}
	})
}

package wire

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
)

// fewestCaptures is how many there are at least: one for each peer and kind of
// credentials.
const fewestCaptures = 15

// The captured sessions again: with the same randomness the client sends the
// same datagrams, byte by byte, accepts the server's flights, comes to the same
// keys, and reads the same data.
func TestCapturedSessions(t *testing.T) {
	if *update {
		captureAll(t)
	}
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(captured, "*.json"))
	if err != nil || len(files) < fewestCaptures {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c capture
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			(&replay{t: t, capture: &c}).run()
		})
	}
}

// replay is one in progress.
type replay struct {
	t *testing.T
	*capture
	next    int      // datagram
	made    [][]byte // by the client, and not compared yet
	session *dtls.Session
}

func (r *replay) run() {
	config, err := r.config()
	if err != nil {
		r.t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	core, out, err := dtls.Start(config, now)
	if err != nil {
		r.t.Fatal(err)
	}
	for r.made = out.Send; out.Session == nil; r.made = append(r.made, out.Send...) {
		r.compare()
		if out = core.Receive(now, r.fromServer()); out.Err != nil {
			r.t.Fatal(out.Err)
		}
	}
	r.session = out.Session
	r.compare()
	r.keys()
	for r.next < len(r.Datagrams) {
		r.exchange()
	}
	if len(r.Said) > 0 || len(r.Heard) > 0 {
		r.t.Errorf("left: %d said, %d heard", len(r.Said), len(r.Heard))
	}
}

// compare holds what the client has made against what it had sent.
func (r *replay) compare() {
	r.t.Helper()
	for _, made := range r.made {
		if r.next >= len(r.Datagrams) || !bytes.Equal(made, r.Datagrams[r.next].Client) {
			r.t.Fatalf("datagram %d is another one: %x", r.next, made)
		}
		r.next++
	}
	r.made = nil
}

// fromServer returns the server's next datagram.
func (r *replay) fromServer() []byte {
	r.t.Helper()
	if r.next >= len(r.Datagrams) || r.Datagrams[r.next].Server == nil {
		r.t.Fatalf("datagram %d is not the server's", r.next)
	}
	r.next++
	return bytes.Clone(r.Datagrams[r.next-1].Server)
}

func (r *replay) keys() {
	r.t.Helper()
	state := r.session.Protection()
	if r.session.Suite().String() != r.Suite || !bytes.Equal(state.Write.Key, r.WriteKey) || !bytes.Equal(state.Read.Key, r.ReadKey) {
		r.t.Errorf("another suite, %s, or other keys", r.session.Suite())
	}
	resumption := r.session.Resumption()
	if len(r.Master) > 0 && (resumption == nil || !bytes.Equal(resumption.Master, r.Master)) {
		r.t.Error("another master secret")
	}
}

// exchange is the next datagram of the session: data, or the good-bye.
func (r *replay) exchange() {
	r.t.Helper()
	if r.Datagrams[r.next].Server != nil {
		e, rest := r.session.Next(r.fromServer())
		if len(r.Heard) == 0 || !bytes.Equal(e.Data, r.Heard[0]) || len(rest) > 0 {
			r.t.Fatalf("datagram %d: %+v", r.next-1, e)
		}
		r.Heard = r.Heard[1:]
		return
	}
	var made []byte
	var err error
	if len(r.Said) > 0 {
		made, err = r.session.Seal(nil, r.Said[0])
		r.Said = r.Said[1:]
	} else {
		made, err = r.session.Goodbye(nil)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.made = [][]byte{made}
	r.compare()
}

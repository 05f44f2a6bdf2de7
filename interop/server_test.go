package interop

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/interop/peer"
)

// leshan wraps a Leshan peer with what these tests ask of it.
type leshan struct {
	*peer.LeshanPeer
	t *testing.T
}

func management(t *testing.T, args ...string) *leshan {
	t.Helper()
	return &leshan{LeshanPeer: peer.Leshan(t, peer.LeshanServer, args...), t: t}
}

func bootstrap(t *testing.T, args ...string) *leshan {
	t.Helper()
	return &leshan{LeshanPeer: peer.Leshan(t, peer.LeshanBootstrap, args...), t: t}
}

// allowPSK lets the endpoint in with a key, and with nothing else.
func (l *leshan) allowPSK(key []byte) {
	l.t.Helper()
	l.Do(peer.Object{"op": "psk", "ep": endpoint, "id": endpoint, "key": hex.EncodeToString(key)})
}

// event returns the next event of a name about the endpoint.
func (l *leshan) event(name string) peer.Object {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	e, err := l.WaitEvent(ctx, name, func(o peer.Object) bool { return o["ep"] == endpoint })
	if err != nil {
		l.t.Fatalf("%v; events of the server: %v", err, l.Events())
	}
	return e
}

// count returns how many events of a name about the endpoint there have been.
func (l *leshan) count(name string) int {
	n := 0
	for _, e := range l.Events() {
		if e["event"] == name && e["ep"] == endpoint {
			n++
		}
	}
	return n
}

// read reads a path of the registered client and demands the text in what
// Leshan has made of the answer.
func (l *leshan) read(path, format string, wants ...string) {
	l.t.Helper()
	reply := l.Do(peer.Object{"op": "read", "ep": endpoint, "path": path, "format": format})
	content, _ := reply["content"].(string)
	if reply["code"] != "CONTENT(205)" {
		l.t.Errorf("read %s as %s: %v", path, format, reply)
	}
	for _, want := range wants {
		if !strings.Contains(content, want) {
			l.t.Errorf("read %s as %s: no %.40q in %.400s", path, format, want, content)
		}
	}
}

// refuses demands a code for a read.
func (l *leshan) refuses(path, code string) {
	l.t.Helper()
	reply := l.Do(peer.Object{"op": "read", "ep": endpoint, "path": path, "format": "TLV"})
	if reply["code"] != code {
		l.t.Errorf("read %s: %v, want %s", path, reply, code)
	}
}

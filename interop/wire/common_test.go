package wire

import (
	"encoding/hex"
	"os"
	"sync"
	"testing"

	"github.com/holdfast-iot/holdfast/interop/peer"
)

// common is what all tests share: the credentials, and one Californium, whose
// start takes a machine's whole processor for seconds.
var common shared

type shared struct {
	world  sync.Once
	leshan sync.Once

	credentials *world
	server      *server // nil if it did not start

	mu       sync.Mutex
	cleanups []func()
}

// lasting is a test whose belongings outlast it, to the end of all tests.
type lasting struct {
	testing.TB
	*shared
}

func (l lasting) Cleanup(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleanups = append(l.cleanups, f)
}

func (l lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "wire")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Failed is asked at the end of all tests: what the server has printed belongs
// to none of them.
func (lasting) Failed() bool { return false }

func (s *shared) close() {
	for _, f := range s.cleanups {
		f()
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	common.world.Do(func() { common.credentials = makeWorld(lasting{t, &common}) })
	return common.credentials
}

// californium returns the one that has keys and certificates of the common
// credentials.
func californium(t testing.TB) *server {
	t.Helper()
	peer.Require(t, peer.KindLeshan)
	common.leshan.Do(func() { common.server = newWorld(t).californium(lasting{t, &common}) })
	switch {
	case common.server != nil:
	case os.Getenv(peer.RequireVariable) == "1":
		t.Fatal("Californium has not started for another test")
	default:
		t.Skip("Californium could not be built for another test")
	}
	return common.server
}

// californium starts Leshan's management server.
func (w *world) californium(t testing.TB, args ...string) *server {
	t.Helper()
	own := w.security
	args = append(args, "--cert", own.Server.Cert, "--key", own.Server.Key, "--trust", own.CA)
	p := peer.Leshan(t, peer.LeshanServer, args...)
	p.Do(peer.Object{"op": "psk", "ep": endpoint, "id": endpoint, "key": hex.EncodeToString(testKey)})
	return &server{addr: p.CoAPS(), talk: func(l *link) error { return talkPing(nil, l) }, LeshanPeer: p}
}

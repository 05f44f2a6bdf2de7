package holdfast

import (
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/bootclock"
)

// However many clients there are on a real network, one goroutine watches for
// the sleep of the machine, and none when the last client is closed.
func TestClientsShareOneWatchForSleep(t *testing.T) {
	rt := NewRuntime()
	var clients []*Client
	for range 10 {
		c, err := rt.New(Config{Endpoint: "gw-0001", StateDir: t.TempDir()}) // no account: it sends nothing
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	want := 0
	if _, supported := bootclock.Slept(); supported {
		want = 1
	}
	for _, c := range clients {
		if n := watches(); n != want {
			t.Fatalf("%d watches", n)
		}
		_ = c.Close(t.Context()) // there is no registration to end
	}
	if n := watches(); n != 0 {
		t.Errorf("%d watches without a client", n)
	}
	if err := rt.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// watches counts the goroutines that watch for sleep.
func watches() int {
	stacks := make([]byte, 4<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "bootclock.(*Watch).run(")
}

package management

import (
	"testing"

	"github.com/holdfast-iot/holdfast/messages"
)

// BenchmarkRead is what a Read costs the actor's machine, from the request that
// coapresend hands over to the reply, for servers of both versions.
func BenchmarkRead(b *testing.B) {
	for _, version := range []string{"1.0", "1.1"} {
		for _, path := range []string{"/3/0/0", "/3/0", "/1/0/1", "/1"} {
			b.Run("LwM2M "+version+" "+path, func(b *testing.B) {
				m := registered(version)
				var in any = request(messages.GET, path)
				b.ReportAllocs()
				for b.Loop() {
					m.Step(now, in)
				}
			})
		}
	}
}

// A Read looks up what it is asked for: its cost does not grow with the model.
func TestReadAllocations(t *testing.T) {
	for version, most := range map[string]float64{"1.0": 10, "1.1": 11} {
		m := registered(version)
		for _, path := range []string{"/3/0/0", "/3/0/13", "/1/0/1"} {
			var in any = request(messages.GET, path)
			if n := testing.AllocsPerRun(100, func() { m.Step(now, in) }); n > most {
				t.Errorf("a Read of %s by a server of %s takes %v allocations, more than %v", path, version, n, most)
			}
		}
	}
}

// registered is a machine on whose link a server of a version is registered.
func registered(version string) *Machine {
	m := machine(true)
	m.Step(now, messages.SessionUp{Peer: messages.ManagementPeer(1), Epoch: 4, Version: version})
	return m
}

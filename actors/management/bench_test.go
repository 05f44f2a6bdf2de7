package management

import (
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
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

// BenchmarkObserve is a second of 1,000 observed resources of which 100 change: looked
// at, told, acknowledged.
func BenchmarkObserve(b *testing.B) {
	const all, some = 1000, 100
	g := newGauge()
	for i := range uint16(all) {
		g.tree.PutInstance(shelfID, lwm2m.Instance{ID: i, Resources: []lwm2m.Resource{{ID: 1, Value: lwm2m.Float(0)}}})
	}
	m := New(Config{Objects: []object.Object{g}, Observations: all})
	m.Step(now, messages.ModelChanged{Tree: model(true)})
	m.Step(now, messages.SessionUp{Peer: messages.ManagementPeer(1), Epoch: 4, Version: "1.1"})
	for i := range all {
		in := request(messages.GET, "/4000/"+strconv.Itoa(i)+"/1")
		in.Observe, in.Token = new(uint32(observeBegin)), []byte(strconv.Itoa(i))
		m.Step(now, in)
	}
	var changed Changed
	for i := range uint16(some) {
		changed.Paths = append(changed.Paths, lwm2m.PathOf(shelfID, i*10, 1))
	}
	told := 0
	b.ReportAllocs()
	for n := 1; b.Loop(); n++ {
		at := now.Add(time.Duration(n) * time.Second)
		for _, path := range changed.Paths {
			g.tree.PutResource(shelfID, path.Instance(), lwm2m.Resource{ID: 1, Value: lwm2m.Float(float64(n))})
		}
		told += acknowledged(m, at, m.Step(at, changed))
	}
	b.ReportMetric(float64(told)/float64(b.N), "notifications/op")
}

// acknowledged has the server acknowledge every notification, and returns how many there
// were.
func acknowledged(m *Machine, at time.Time, effects []core.Effect) (n int) {
	for len(effects) > 0 {
		var next []core.Effect
		for _, e := range effects {
			if tell, is := e.(core.Tell); is {
				if in, is := tell.Message.(messages.Notify); is {
					n++
					next = append(next, m.Step(at, messages.Notified{Epoch: in.Epoch, ID: in.ID, Observation: in.Observation, Outcome: messages.NotifyAcknowledged})...)
				}
			}
		}
		effects = next
	}
	return n
}

// What an application's object has in memory costs no more than what the client has
// itself.
func TestReadAllocationsOfObjects(t *testing.T) {
	frozen := frozenShelf{shelf: newShelf(shelfID, 0)}
	frozen.i, _ = frozen.tree.Instance(shelfID, 0)
	for version, most := range map[string]float64{"1.0": 10, "1.1": 11} {
		m := withObjects(&frozen)
		m.Step(now, messages.SessionUp{Peer: messages.ManagementPeer(1), Epoch: 4, Version: version})
		for _, path := range []string{"/4000/0/0", "/4000/0/1"} {
			var in any = request(messages.GET, path)
			if n := testing.AllocsPerRun(100, func() { m.Step(now, in) }); n > most {
				t.Errorf("a Read of %s by a server of %s takes %v allocations, more than %v", path, version, n, most)
			}
		}
	}
}

// frozenShelf has its one instance ready.
type frozenShelf struct {
	*shelf
	i lwm2m.Instance
}

func (f *frozenShelf) Snapshot(instance uint16) (lwm2m.Instance, bool, bool) {
	return f.i, true, instance == f.i.ID
}

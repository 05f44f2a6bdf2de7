package supervisor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/actors/coapresend"
	"github.com/holdfast-iot/holdfast/actors/management"
	"github.com/holdfast-iot/holdfast/actors/storage"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// deafServer accepts registrations, and says nothing to anything else.
type deafServer struct {
	began time.Time
	mu    sync.Mutex
	lines []string // what came, and when
}

func (s *deafServer) serve(socket net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		msg, err := coap.Decode(slices.Clone(buffer[:n]))
		if err != nil {
			continue
		}
		s.note(msg)
		if msg.Code != messages.POST {
			continue
		}
		answer := coap.Message{Type: coap.ACK, Code: messages.Changed, MID: msg.MID, Token: msg.Token}
		if len(msg.Path()) == 1 { // a Register, to /rd
			answer.Code = messages.Created
			answer.AddStrings(coap.LocationPath, []string{"rd", "1"})
		}
		if datagram, err := coap.Encode(answer); err == nil {
			_, _ = socket.WriteTo(datagram, from)
		}
	}
}

func (s *deafServer) note(msg coap.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf("%v %s", time.Since(s.began), msg.Code))
}

// noDraw makes every resend come at its earliest.
type noDraw struct{ coapresend.SystemRand }

func (noDraw) Float64() float64 { return 0 }

// A whole client whose server stays silent to a notification runs the ladder: when
// its last resend is overdue, one Update over a new link, at once.
func TestSilentNotificationStartsTheLadder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{})
		address := netip.MustParseAddr("192.0.2.1")
		socket, err := network.Host("server", address).ListenPacket(5683)
		if err != nil {
			t.Fatal(err)
		}
		server := &deafServer{began: time.Now()}
		go server.serve(socket)
		var events []string
		system, supervisor, link := startSupervisor(t, network.Host("gateway", netip.MustParseAddr("192.0.2.10")), func(e messages.Event) {
			events = append(events, fmt.Sprintf("%v %s", time.Since(server.began), e.Type))
		})
		synctest.Wait()
		system.Root.Send(link(1), messages.Notify{
			Epoch: 1, ID: 1, Observation: 1, Token: []byte{1}, Sequence: 1, Confirmable: true, Code: messages.Content,
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()

		server.mu.Lock()
		want := []string{
			"0s 0.02", "0s 2.05", "2s 2.05", "6s 2.05", "14s 2.05", "30s 2.05", // Register, notification
			"1m2s 0.02", // the Update of the ladder
		}
		if diff := cmp.Diff(want, server.lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		server.mu.Unlock()
		if !containsInOrder(events, []string{"0s registered", "1m2s error", "1m2s registered"}) {
			t.Errorf("events %v", events)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := actorkit.StopInOrder(ctx, system, supervisor); err != nil {
			t.Error(err)
		}
		actorkit.Shutdown(system)
		if err := network.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
	})
}

func containsInOrder(all, want []string) bool {
	for _, line := range all {
		if len(want) > 0 && line == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}

// startSupervisor starts a client with one NoSec account. The function that it
// returns finds the coapresend actor of an epoch.
func startSupervisor(t *testing.T, transport lwm2mtest.Transport, emit func(messages.Event)) (
	*actor.ActorSystem, *actor.PID, func(messages.Epoch) *actor.PID,
) {
	account := serverAccount(t, server(1), 0)
	account.URI = mustURI(t, "coap://192.0.2.1")
	account.Credentials = messages.Credentials{Mode: messages.SecurityNoSec}
	tree := accounts.ToTree([]messages.Account{account})
	s := &slot{}
	runtime := Runtime{
		Config: Config{
			Endpoint: "gw", Policy: NewPolicy(5*time.Second, 5*time.Second, time.Hour, 0), Budget: 3 * time.Minute,
			Versions: []string{"1.1"}, Objects: management.Announced(management.Config{}),
		},
		Transport: transport, Rand: noDraw{}, CoAP: coapresend.Config{ClientFirst: true},
		Storage: storage.Sources{Records: emptyDisk{}, Factory: func() (*lwm2m.Tree, error) { return tree, nil }},
		Emit:    emit, Publish: func(messages.Snapshot) {}, Finish: func(messages.Stopped) {},
	}
	system := actorkit.NewSystem(nil)
	pid := system.Root.Spawn(actorkit.Props(func() actor.Actor { return newShell(&runtime, s) }, actorkit.PropsOptions{}))
	return system, pid, func(epoch messages.Epoch) *actor.PID { return s.current.route(core.Link, epoch) }
}

// emptyDisk holds nothing and keeps nothing.
type emptyDisk struct{}

func (emptyDisk) Load(string) (store.Record, error)   { return store.Record{}, store.ErrNotExist }
func (emptyDisk) Save(string, []byte) (uint64, error) { return 1, nil }
func (emptyDisk) Delete(string) error                 { return nil }
func (emptyDisk) Drop(string) error                   { return nil }
func (emptyDisk) SetAside(string) error               { return nil }
func (emptyDisk) Names(string) ([]string, error)      { return nil, nil }

package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/actors/coapresend"
	"github.com/holdfast-iot/holdfast/actors/management"
	"github.com/holdfast-iot/holdfast/actors/storage"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// blank is a state directory without records.
type blank struct{ aside chan string }

func (blank) Load(string) (store.Record, error)   { return store.Record{}, store.ErrNotExist }
func (blank) Save(string, []byte) (uint64, error) { return 1, nil }
func (blank) Delete(string) error                 { return nil }
func (blank) Drop(string) error                   { return nil }
func (blank) Names(string) ([]string, error)      { return nil, nil }
func (b blank) SetAside(name string) error        { b.aside <- name; return nil }

// wire is a network on which every server has the image, and answers nothing but GETs in
// blocks of 64 bytes.
type wire struct {
	image []byte
	mu    sync.Mutex
	asked []string // the host and the block of each GET
}

func (w *wire) Lookup(_ context.Context, host string) ([]netip.Addr, error) {
	if host == "local.example" {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
}

func (w *wire) Dial(_ context.Context, remote netip.AddrPort) (net.Conn, error) {
	return &wireConn{wire: w, remote: remote, in: make(chan []byte, 16), closed: make(chan struct{})}, nil
}

// answer returns what a server says to a datagram; nil for nothing.
func (w *wire) answer(remote netip.AddrPort, datagram []byte) []byte {
	msg, err := coap.Decode(datagram)
	if err != nil || msg.Code != messages.GET {
		return nil
	}
	block, ok := msg.Block(coap.Block2)
	if !ok {
		block = coap.Block{SZX: 2}
	}
	block.SZX = min(block.SZX, 2)
	offset := block.Offset()
	end := min(offset+block.Size(), len(w.image))
	block.More = end < len(w.image)
	w.mu.Lock()
	w.asked = append(w.asked, fmt.Sprintf("%s %s", remote.Addr(), block))
	w.mu.Unlock()
	answer := coap.Message{Type: coap.ACK, Code: messages.Content, MID: msg.MID, Token: msg.Token, Payload: w.image[offset:end]}
	answer.AddString(coap.ETag, "v1")
	answer.AddBlock(coap.Block2, block)
	answer.AddUint(coap.Size2, uint32(len(w.image)))
	reply, err := coap.Encode(answer)
	if err != nil {
		return nil
	}
	return reply
}

type wireConn struct {
	net.Conn // nil: what is not here is not called
	wire     *wire
	remote   netip.AddrPort
	in       chan []byte
	closing  sync.Once
	closed   chan struct{}
}

func (c *wireConn) Read(p []byte) (int, error) {
	select {
	case datagram := <-c.in:
		return copy(p, datagram), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *wireConn) Write(p []byte) (int, error) {
	if reply := c.wire.answer(c.remote, p); reply != nil {
		c.in <- reply
	}
	return len(p), nil
}

func (c *wireConn) Close() error                     { c.closing.Do(func() { close(c.closed) }); return nil }
func (c *wireConn) SetReadDeadline(time.Time) error  { return nil }
func (c *wireConn) SetWriteDeadline(time.Time) error { return nil }
func (c *wireConn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }

// fetcher is a shared actor update that does nothing but fetch one image after the other.
type fetcher struct {
	route actorkit.Route
	world *fetcherWorld
}

// fetcherWorld outlives the actors.
type fetcherWorld struct {
	mu     sync.Mutex
	uris   []string
	bodies map[string]*bytes.Buffer
	said   []string
	panics int           // how often it panics before it asks for anything
	late   time.Duration // for which whoever has spawned it is kept waiting
}

func (w *fetcherWorld) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

func (f *fetcher) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		f.started(ctx)
	case messages.DownloadOpened:
		f.world.say("%s", message.Via)
		if link := f.route(core.Link, message.Epoch); link != nil { // else it is lost already
			ctx.Send(link, messages.Request{
				Epoch: message.Epoch, ID: 1, For: messages.ForUpdate, Code: messages.GET, Path: []string{"fw"}, Stream: true,
			})
		}
	case messages.ResponseBlock:
		f.world.bodies[f.world.uris[0]].Write(message.Data)
		if message.Next {
			ctx.Send(f.route(core.Link, message.Epoch), messages.More{Epoch: message.Epoch, ID: 1, For: messages.ForUpdate})
		}
	case messages.Response:
		f.world.say("%s", message.Code)
		f.next(ctx)
	case messages.LinkLost:
		f.world.say("%s", message.Failure.Class)
		f.next(ctx)
	case messages.Ping:
		message.Answer <- struct{}{}
	}
}

func (f *fetcher) started(ctx actor.Context) {
	if !ctx.Self().Equal(f.route(core.Update, 0)) {
		f.world.say("what others answer does not come here")
	}
	if f.world.panics > 0 {
		f.world.panics--
		panic("no update today")
	}
	f.open(ctx)
}

func (f *fetcher) open(ctx actor.Context) {
	if len(f.world.uris) > 0 {
		f.world.bodies[f.world.uris[0]] = &bytes.Buffer{}
		ctx.Send(f.route(core.Supervisor, 0), messages.OpenDownload{ID: uint64(len(f.world.uris)), URI: f.world.uris[0]})
	}
}

func (f *fetcher) next(ctx actor.Context) {
	ctx.Send(f.route(core.Supervisor, 0), messages.CloseDownload{ID: uint64(len(f.world.uris))})
	f.world.uris = f.world.uris[1:]
	f.open(ctx)
}

// runFetcher runs a client with a fetcher for ten seconds, after which it hands its supervisor
// to look.
func runFetcher(t *testing.T, network *wire, world *fetcherWorld, disk blank, look func(*actor.RootContext, *actor.PID)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		world.bodies = map[string]*bytes.Buffer{}
		config := testConfig()
		config.Download = &Download{Hosts: []string{"allowed.example"}}
		server := serverAccount(t, server(1), 0)
		server.URI, server.Credentials = mustURI(t, "coap://silent.example"), messages.Credentials{Mode: messages.SecurityNoSec}
		system := actorkit.NewSystem(nil)
		guardian := actorkit.NewGuardian(actorkit.GuardianOptions{})
		finished := make(chan messages.Stopped, 1)
		supervisor := system.Root.Copy().WithGuardian(guardian).Spawn(Props(Runtime{
			Config: config, Transport: network, Rand: coapresend.SystemRand{},
			CoAP:       coapresend.Config{StreamPaths: []string{"/5/0/0"}},
			Management: management.Config{Deadline: time.Second},
			Storage: storage.Sources{Records: disk, Factory: func() (*lwm2m.Tree, error) {
				return accounts.ToTree([]messages.Account{server}), nil
			}},
			Update: func(route actorkit.Route, options actorkit.PropsOptions) *actor.Props {
				props := actorkit.Props(func() actor.Actor { return &fetcher{route: route, world: world} }, options)
				return props.Configure(actor.WithSpawnFunc(func(system *actor.ActorSystem, id string, p *actor.Props, parent actor.SpawnerContext) (*actor.PID, error) {
					pid, err := actor.DefaultSpawner(system, id, p, parent)
					time.Sleep(world.late)
					return pid, err
				}))
			},
			Emit: func(messages.Event) {}, Publish: func(messages.Snapshot) {},
			Finish: func(s messages.Stopped) { finished <- s },
		}))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if look != nil {
			look(system.Root, supervisor)
		}
		system.Root.Send(supervisor, messages.Stop{Deadline: time.Now().Add(time.Second)})
		<-finished
		guardian.Stop()
		_ = system.Root.StopFuture(supervisor).Wait()
		actorkit.Shutdown(system)
		time.Sleep(actorkit.DeadLetterInterval) // for which the actor library counts dead letters
	})
}

// An image is fetched over a link of its own, whose actors know no owner but update.
func TestFetcherFetches(t *testing.T) {
	network := &wire{image: bytes.Repeat([]byte("firmware"), 50)}
	world := &fetcherWorld{uris: []string{"coap://images.example/fw", "coap://local.example/fw", "coap://127.0.0.1/fw", "coap://other.example/fw"}}
	runFetcher(t, network, world, blank{}, nil)
	want := []string{"own link", "2.05", "own link", "configuration", "own link", "configuration", "own link", "2.05"}
	if !slices.Equal(world.said, want) {
		t.Fatalf("%q", world.said)
	}
	for _, uri := range []string{"coap://images.example/fw", "coap://other.example/fw"} {
		if !bytes.Equal(world.bodies[uri].Bytes(), network.image) {
			t.Errorf("%s: %d bytes", uri, world.bodies[uri].Len())
		}
	}
	if blocks := len(network.asked); blocks != 2*7 || network.asked[6] != "192.0.2.1 6/0/64" {
		t.Errorf("%d blocks: %q", blocks, network.asked)
	}
}

// Update and the actors of its link are in the roll, and all answer.
func TestFetcherIsInTheRoll(t *testing.T) {
	network := &wire{image: []byte("firmware")}
	world := &fetcherWorld{uris: []string{"coap://images.example/fw", "http://images.example/fw"}}
	runFetcher(t, network, world, blank{}, func(root *actor.RootContext, supervisor *actor.PID) {
		answer := make(chan []messages.Pinged, 1)
		root.Send(supervisor, messages.RollCall{Answer: answer})
		var names []string
		for _, pinged := range <-answer {
			names = append(names, pinged.Actor)
			<-pinged.Answer
		}
		if got := strings.Join(names, " "); got != "store management update network/1 coapresend/1 registration/1" {
			t.Errorf("the roll is %s", got)
		}
	})
}

// One that panics is started anew, and its record set aside when it does so again and again.
func TestFetcherPanics(t *testing.T) {
	network := &wire{image: []byte("firmware")}
	world := &fetcherWorld{uris: []string{"coap://images.example/fw"}, panics: 3}
	expectPanics(t, network, world)
}

// Others reach it, and each one that takes its place, also when whoever spawns it goes on much
// later.
func TestFetcherRunsBeforeItsSpawnReturns(t *testing.T) {
	network := &wire{image: []byte("firmware")}
	expectPanics(t, network, &fetcherWorld{uris: []string{"coap://images.example/fw"}, panics: 3, late: time.Second})
}

func expectPanics(t *testing.T, network *wire, world *fetcherWorld) {
	t.Helper()
	disk := blank{aside: make(chan string, 3)}
	runFetcher(t, network, world, disk, nil)
	if !slices.Equal(world.said, []string{"own link", "2.05"}) {
		t.Errorf("%q", world.said)
	}
	if len(disk.aside) != 1 || <-disk.aside != messages.RecordFirmware {
		t.Error("the record was not set aside once")
	}
}

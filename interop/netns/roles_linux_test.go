package netns

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/configfile"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// The roles of the test binary inside a namespace.
const (
	clientRole = "netns-client"
	serverRole = "netns-server"
	dnsRole    = "netns-dns"
)

const endpoint = "gw-0001"

var testKey = []byte("secretPSK")

// commands calls a function for every line of the standard input, and returns
// when that ends.
func commands(do func(command string) error) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := do(lines.Text()); err != nil {
			return err
		}
	}
	return nil
}

// printer returns what prints a value as one line; it may be called from
// several goroutines.
func printer() func(any) {
	var mu sync.Mutex
	encoder := json.NewEncoder(os.Stdout)
	return func(v any) {
		mu.Lock()
		defer mu.Unlock()
		_ = encoder.Encode(v) // without a reader there is nothing to be done
	}
}

// asNobody, in the place of a directory, has a client run without any privilege.
const asNobody = "as-nobody"

// nobody is the user without any right.
const nobody = 65534

// playClient runs a client. Its arguments are the configuration file and,
// optionally, a directory on which to mount a small file system: only this
// process sees it; or asNobody. Its commands are update and explain. It prints events.
func playClient(args []string) error {
	if len(args) > 1 && args[1] == asNobody {
		if err := becomeNobody(filepath.Dir(filepath.Dir(args[0])), filepath.Dir(args[0]), args[0]); err != nil {
			return err
		}
	} else if len(args) > 1 {
		if err := syscall.Mount("tmpfs", args[1], "tmpfs", 0, "size="+smallDisk+",mode=0700"); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
	}
	file, err := configfile.Load(args[0])
	if err != nil {
		return err
	}
	client, err := holdfast.New(file.Config)
	if err != nil {
		return err
	}
	events, _ := client.Events(1 << 14)
	var printing sync.WaitGroup
	printing.Go(func() {
		show := printer()
		for e := range events {
			show(e)
		}
	})
	defer printing.Wait()
	if err := client.Start(context.Background()); err != nil {
		return err
	}
	defer closeBounded(client)
	return commands(func(command string) error {
		switch command {
		case "update":
			_ = client.RegisterUpdate(context.Background()) // an error is an event, too
		case "explain":
			printer()(holdfast.Event{Type: explained, Detail: client.Explain().String()})
		default:
			return fmt.Errorf("unknown command %q", command)
		}
		return nil
	})
}

// becomeNobody gives files away, and all privileges up.
func becomeNobody(files ...string) error {
	for _, file := range files {
		if err := os.Chown(file, nobody, nobody); err != nil {
			return err
		}
	}
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody))
}

// closeBounded closes a client. At the end of a test its server may be gone.
func closeBounded(client *holdfast.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = client.Close(ctx)
}

// record is one line of a server.
type record struct {
	Kind     string // register, update ...; listening
	Remote   netip.AddrPort
	Location string
	Answer   string
	Error    string
}

// Ports of the server. The bootstrap server of NoSec clients delivers an
// account at the management server beside it.
const (
	coapPort      = "5683"
	coapsPort     = "5684"
	bootstrapPort = "5693"
	// At movablePort sessions have a Connection ID.
	movablePort = "5685"
)

// playServer runs a management server over NoSec and PSK, with and without
// Connection IDs, and a bootstrap server over NoSec, at serverAddr or at the address that is given. It prints
// records. Commands: read, which reads object 3.
func playServer(args []string) error {
	address := serverAddr
	if len(args) > 0 {
		address = args[0]
	}
	// The tests change the client's address, and ask that this costs no registration.
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{AckTimeout: ackTimeout, MaxRetransmit: 2, Roaming: true})
	defer server.Close()
	for port, serve := range map[string]func(net.PacketConn){
		coapPort:      func(pc net.PacketConn) { server.ServeManagement(pc, lwm2mtest.NoSec()) },
		coapsPort:     func(pc net.PacketConn) { server.ServeManagement(pc, lwm2mtest.PSK(endpoint, testKey)) },
		movablePort:   func(pc net.PacketConn) { server.ServeManagement(pc, movable()) },
		bootstrapPort: func(pc net.PacketConn) { server.ServeBootstrap(pc, lwm2mtest.NoSec()) },
	} {
		pc, err := net.ListenPacket("udp", net.JoinHostPort(address, port))
		if err != nil {
			return err
		}
		serve(pc)
	}
	account := lwm2mtest.AccountConfig{URI: "coap://" + serverAddr}
	server.SetBootstrap("", lwm2mtest.BootstrapConfig{Delete: []string{"/"}, Writes: account.Writes()})
	show := printer()
	show(record{Kind: "listening"})
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { follow(ctx, server, show) })
	defer following.Wait()
	defer cancel()
	return commands(func(command string) error { return serverCommand(server, command, show) })
}

// movable gives clients Connection IDs.
func movable() lwm2mtest.Security {
	security := lwm2mtest.PSK(endpoint, testKey)
	security.ConnectionID = true
	return security
}

func serverCommand(server *lwm2mtest.Server, command string, show func(any)) error {
	if command != "read" {
		return fmt.Errorf("unknown command %q", command)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*ackTimeout)
	defer cancel()
	answer := record{Kind: "read"}
	if response, err := server.Read(ctx, endpoint, "/3/0", messages.FormatTLV); err != nil {
		answer.Error = err.Error()
	} else {
		answer.Answer = response.Code.String()
	}
	show(answer)
	return nil
}

// follow prints what the server sees, until ctx ends.
func follow(ctx context.Context, server *lwm2mtest.Server, show func(any)) {
	seen := 0
	for server.Await(ctx, func() bool { return len(server.History("")) > seen }) == nil {
		for _, r := range server.History("")[seen:] {
			seen++
			line := record{Kind: r.Kind.String(), Remote: r.Remote, Location: r.Location}
			if r.Answer != 0 {
				line.Answer = r.Answer.String()
			}
			show(line)
		}
	}
}

// configuration returns the YAML of a client with short timers: see timers. Nothing tells it
// that the network is back: that is the subject of roaming_linux_test.go.
func configuration(stateDir, account string, more ...string) string {
	return configured(stateDir, account, append([]string{timers, "network: {watch: false}"}, more...)...)
}

func configured(stateDir, account string, more ...string) string {
	lines := append([]string{"endpoint: " + endpoint, "state_dir: " + stateDir, account}, more...)
	return strings.Join(lines, "\n") + "\n"
}

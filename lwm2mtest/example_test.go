package lwm2mtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// A client and a server on a network that loses nothing, until the server's
// port refuses.
func ExampleNetwork() {
	network := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{Seed: 1})
	defer network.Close()
	gateway := network.Host("gateway.test", netip.MustParseAddr("192.0.2.1"))
	server := network.Host("server.test", netip.MustParseAddr("192.0.2.2"))

	pc, err := server.ListenPacket(5683)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	addrs, _ := gateway.Lookup(ctx, "server.test")
	conn, _ := gateway.Dial(ctx, netip.AddrPortFrom(addrs[0], 5683))

	buf := make([]byte, 100)
	fmt.Fprint(conn, "hello")
	n, from, _ := pc.ReadFrom(buf)
	fmt.Printf("%s from %v\n", buf[:n], from)

	outage := network.Impair(lwm2mtest.ToHost(server), lwm2mtest.Conditions{Refuse: true})
	fmt.Fprint(conn, "still there?")
	_, err = conn.Read(buf)
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	outage.Lift()
	// Output:
	// hello from 192.0.2.1:49152
	// true
}

// A management server that is busy at first. The client here is one datagram;
// a real one would be given the network's host as its transport.
func ExampleServer() {
	network := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{})
	defer network.Close()
	gateway := network.Host("gateway.test", netip.MustParseAddr("192.0.2.1"))
	host := network.Host("server.test", netip.MustParseAddr("192.0.2.2"))

	pc, err := host.ListenPacket(5683)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	defer server.Close()
	server.ServeManagement(pc, lwm2mtest.NoSec())
	server.Misbehave("gw-0001", lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: lwm2m.CodeServiceUnavailable})

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, _ := gateway.Dial(ctx, netip.MustParseAddrPort("192.0.2.2:5683"))
	for mid := range byte(2) {
		register := []byte{0x40, 0x02, 0, mid, 0xb2, 'r', 'd', 0x11, 40, 0x3a}
		register = append(register, "ep=gw-0001\xff</1/0>,</3/0>"...)
		_, _ = conn.Write(register)
		_, _ = conn.Read(make([]byte, 100))
	}
	fmt.Println(server.WaitRegistered(ctx, "gw-0001"))
	for _, record := range server.History("gw-0001") {
		fmt.Println(record.Kind, record.Answer)
	}
	// Output:
	// <nil>
	// register 5.03
	// register 2.01
}

// A bootstrap server that hands out an account for a management server.
func ExampleServer_SetBootstrap() {
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	defer server.Close()
	account := lwm2mtest.AccountConfig{
		URI: "coaps://server.test:5684", PSKIdentity: "gw-0001", PSKKey: make([]byte, 16), Lifetime: time.Hour,
	}
	server.SetBootstrap("gw-0001", lwm2mtest.BootstrapConfig{
		Delete: []string{"/0", "/1"},
		Writes: account.Writes(),
	})
	for _, write := range account.Writes() {
		fmt.Println(write.Path, len(write.Nodes))
	}
	// Output:
	// /0/1 7
	// /1/0 4
}

// A probe sees what an actor receives, of your own too: a runtime calls it as its tap.
func ExampleExpect() {
	type reading struct{ Celsius int }
	probe := lwm2mtest.NewProbe(nil)
	var tap lwm2mtest.Tap = probe
	tap.Message("gateway/thermometer", lwm2mtest.StageInvoked, reading{Celsius: 21})

	got, err := lwm2mtest.Expect(context.Background(), probe, func(r reading) bool { return r.Celsius > 20 })
	fmt.Println(got.Celsius, err)
	// Output:
	// 21 <nil>
}

// Package demo is the command `holdfast demo`: a gateway, a bootstrap server
// and a management server on loopback, and one scenario for each error that
// this build can be made to meet, and for firmware updates that go well and wrong.
//
// Every fault is made from the outside: in the servers and their ports
// ([lwm2mtest.Server]), in the name service (a stub of the package's own), in
// the files of the state directory, in the network below the client (the driver of
// a modem, in the place of the system's sockets), or by a call of the public API. The gateway
// that is killed is a process of its own, made by [Command]. The client itself is the
// product's, unchanged; only its delays are configured short.
//
// The package owns the temporary directory, the sockets and the goroutines
// that it starts, and gives all of them back before [Run] returns. It imports
// nothing of this module but public packages.
//
// Layout: lab.go is the world of a run, device.go one client in it, process.go one that
// has a process of its own, modem.go a network of its own for one of them, scenario.go the
// table of scenarios whose plays stand in play_*.go, take.go and result.go how one is
// carried out and judged, and human.go and jsonlines.go the two ways to print it.
package demo

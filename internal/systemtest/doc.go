// Package systemtest is the harness of the tests of the whole system: clients
// with all their actors, servers of lwm2mtest, and the network between them.
//
// The tests themselves stand below it, one folder for each kind:
//
//	behaviour  what a client does, in virtual time and on real sockets
//	crash      actors that panic, one at a time and again and again
//	hostile    everything that a peer can send (docs/hostile-input.md)
//	matrix     every error, at every moment, in every state of the store
//	property   random histories, judged by a model (docs/reliability.md)
//
// A World is a simulated network in a bubble of testing/synctest; a Wire is one
// whose server's socket the test can write to; Live is a server on loopback; HTTP is
// a web server, in memory or on loopback. A Client records its events, and the methods called Expect fail the test.
//
// What one folder alone needs stands in its own test files. Nothing here ships:
// only tests import it.
package systemtest

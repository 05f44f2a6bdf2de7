// Package messages is the vocabulary of the runtime: what its actors say to
// each other, as plain values, with one file per subject. It
// may change at any time: what applications see is declared in the root, which
// translates.
//
//	supervisor.go    what starts, stops and steers the runtime, and crashes
//	network.go       a link's birth, its datagrams and its death
//	roaming.go       what this machine can reach others by, and what becomes of links
//	coapresend.go    requests and responses over one link
//	notify.go        notifications of observations, and what becomes of them
//	bootstrap.go     a bootstrap session and what it delivered
//	registration.go  Register, Update, de-register
//	management.go    the object model, and what management servers change in it
//	send.go          what the client sends to servers unasked
//	session.go       which management servers have registered the client
//	store.go         records of the state directory
//	account.go       server accounts and their credentials
//	failure.go       what can go wrong: classes, phases, the failure value
//	diagnostic.go    a peer's diagnostic payload, made fit to be shown
//	health.go        a sign of life of an actor
//	codes.go         the error codes
//	event.go         what an application is told, as actors report it
//	coap.go          the CoAP code and content-format registries
//
// Nothing here imports the actor library, does I/O or keeps state. Every
// message that depends on a link carries the link's [Epoch]; receivers drop
// what comes from an older one.
package messages

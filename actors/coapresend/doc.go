// Package coapresend is the CoAP message layer of one link (RFC 7252 section
// 4, RFC 7959): confirmable exchanges with their resends, message IDs and
// tokens, matching, deduplication, separate responses, and block-wise transfer
// in both directions. The outcome of an exchange reaches the owner of the
// link as a value; a request of the peer reaches the handler once, however often
// the network delivers it. An image may be fetched on the link besides: that is the business
// of the shared actor update, and the owner's requests go first.
//
// [Machine] is the pure core and holds everything; actor.go is its shell. The
// state lives as long as the link's epoch: a new link begins with a new
// machine, and only the next message ID is carried over. Nobody outside may keep
// or touch it. The package is internal to the runtime; its messages are in
// messages/coapresend.go and messages/notify.go.
//
//	machine.go    inputs and effects
//	config.go     parameters and the times derived from them
//	exchange.go   confirmable messages of ours: queue, resends, acknowledgement
//	mid.go        message IDs
//	admit.go      rate limits, and what our exchanges wait for
//	receive.go    datagrams: what they are and where they go
//	shed.go       the report of what was dropped
//	dedup.go      deduplication of the peer's messages
//	call.go       requests of ours
//	upload.go     ... whose payload is larger than a block (Block1)
//	download.go   ... whose response is larger than a block (Block2)
//	stream.go     ... whose response is pulled part by part, from any offset; its blocks gathered
//	serve.go      requests of the peer, and our replies
//	inblock.go    ... whose payload comes block by block (Block1)
//	again.go      ... one of whose blocks comes a second time
//	outblock.go   ... whose reply is larger than a block (Block2)
//	notify.go     notifications: queue, replacement, outcome (RFC 7641)
//	timers.go     the names of the timers
package coapresend

// Package scenario holds nothing but tests: scripts of whole clients, after
// the manner of etcd/raft's interaction tests. A script says what happens to a
// client; what follows from it, the datagrams and the events, is narrated below
// each command. Who wants to know how the client behaves reads testdata.
//
// A script lives in a bubble of testing/synctest, on a network where a datagram
// is under way for 10 ms (12 to and from "bootstrap", 15 to and from
// "server-2"). All random draws of the client are 0, r0 is 5 s. So each line is
// exact, and the same each time; -rewrite writes the narrations anew:
//
//	go test ./internal/systemtest/scenario -rewrite
//
// Commit a change of a narration only if you understand what caused it.
//
// # The narration
//
// Each line has the time since the beginning of the script, who acts, and what:
//
//	t+0.000s    client                state registering
//	t+0.000s    client -> server      CON POST /rd?ep=gw&lt=86400&lwm2m=1.1&b=U [c1] </1/0>,</3/0>
//	t+0.010s    server -> client      ACK 2.01 /rd/1 [c1]
//	t+0.020s    client                registered with server: /rd/1, 86400 s, LwM2M 1.1, attempt 1
//
// A datagram stands at the time at which it was sent; one that did not arrive
// says what became of it. Where the client has opened another socket to a
// server, client#2 is the second one, and so on. [c1] stands for the message ID: the first that the
// client chose in its talk with that server, [s2] for the second that the
// server chose. What a server sends to a socket that the client has closed is
// left out. A response in a message of its own says what it answers, which
// its token tells. A datagram that is sent again is "[c1] again". Keys and
// identities are left out.
//
// DTLS shows as its records. What a server reads in them stands at the time at
// which it was read:
//
//	t+0.060s    client -> server      DTLS application data
//	t+0.070s    server reads          register of gw: 2.01
//
// An error is an event of the client: code, phase, count of consecutive
// failures, what happened, and what the client does about it.
//
//	t+0.020s    client                error 7 ConnectNetworkError in register, attempt 1, server: refused: ...; retry in 5s
//
// # The commands
//
// Of what a command with the word "briefly" brings about, only the client's
// own events are narrated, without its states.
//
// There are three servers, "server", "server-2" and "bootstrap"; the first is
// meant where a command names none (at=). They listen on port 5683 without
// security, and on 5684 with pre-shared keys (see config). All times are virtual.
//
//	config [server=nosec|psk|x509|none] [bootstrap=none|nosec|psk] [uri=URI]
//	       [lifetime=D] [version=1.0|1.1] [policy=P] [timeout=D] [resends=N]
//	       [bootstrap-bytes=N] [accounts=N] [own=expired] [key-file=missing]
//	    The configuration of the client, before start. The default is a factory
//	    account for "server" without security and no bootstrap account.
//	start [registered]
//	    Starts the client, in a new process after a kill or close. With
//	    "registered", what happens until it is registered is not narrated.
//	kill
//	    Ends the process at once (kill -9): no datagram leaves any more.
//	close
//	    Closes the client, which de-registers.
//	call update|pause|resume|bootstrap|factory-reset|network-up
//	    What an application asks for.
//	advance D
//	    Lets time pass, and narrates what happens meanwhile.
//	await EVENT [code=N] [state=S] [times=N]
//	    Lets time pass until the client tells of an event: an error,
//	    registered, registration_updated, bootstrapped, unregistered, degraded
//	    or a state.
//	answer KIND CODE|silence|reset|ack|malformed|stray-block [max-age=N] [text=T]
//	       [times=N] [delay=D] [separate] [lost] [no-location] [at=S]
//	    How a server treats the next requests of a kind, register, update,
//	    deregister or bootstrap-request, instead of just answering them; ack is
//	    an empty acknowledgement and nothing else, stray-block a block of a body
//	    that was not sent. With lost the request is
//	    processed, and the answer is lost. times=-1 is for ever. CODE may be ok,
//	    where only the manner of the answer is of interest.
//	server forgets|forgets-sessions|dies|closes|returns [at=S]
//	server refuses alert=N|ignores|accepts [at=S]
//	server key=wrong|right
//	server certificate=other-authority|right
//	    What servers do and undergo: their registrations or DTLS sessions are
//	    forgotten, their process dies (the ports refuse) or ends in order, and
//	    comes back; handshakes are refused with an alert, or ignored.
//	server sends hex=BYTES [at=S]
//	server sends read|write|execute PATH [text=VALUE] [at=S]
//	    The server sends a datagram, or a request for a resource of the client,
//	    and waits for the answer.
//	deliver [empty] [no-finish] [keep-going] [at=...]
//	account|write|delete|read|discover ...
//	    What the bootstrap server does to whoever asks, one operation a line of
//	    input: see deliver_test.go.
//	network black-hole|refuse|unreachable|busy|drop|delay=D|mended
//	       [to|from=S] [next=N]
//	    Faults of the network to or from a server, or in both directions. drop
//	    loses the next N datagrams; unreachable and busy make the client's
//	    system refuse to send. mended ends all faults.
//	network rebinds
//	    A NAT before the client forgets its mappings.
//	network no-sockets
//	    The client's system has no socket left.
//	dns not-found|fails|silent|right
//	    The name service, for server.test.
//	disk breaks|mended, disk damages RECORD
//	    The state directory cannot be read or written, or a stored record is
//	    damaged.
//	crash ACTOR [message=TYPE]
//	    That actor, such as registration/1, panics at its next message.
//	hang ACTOR for=D [message=TYPE]
//	    That actor takes its time over its next message.
//	status
//	    What the client says of its servers.
package scenario

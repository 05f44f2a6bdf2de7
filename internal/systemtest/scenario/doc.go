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
//	t+0.000s     client                state starting, resolving, connecting, registering
//	t+0.000s     client -> server      CON POST /rd?ep=gw&lt=86400&lwm2m=1.1&b=U [c1] </1/0>,</3/0>
//	t+0.010s     server -> client      ACK 2.01 /rd/1 [c1]
//	t+0.020s     client                registered with server: /rd/1, 86400 s, LwM2M 1.1, attempts 1
//	t+0.020s     client                state registered
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
//	t+0.060s     client -> server      DTLS application data
//	t+0.070s     server reads          register of gw: 2.01
//
// An error is an event of the client: code, phase, count of consecutive failures,
// server, what happened, and what the client does about it.
//
//	t+0.020s     client                error 7 ConnectNetworkError in register, attempt 1, server: reset; retry in 5s
//
// Where datagrams repeat more than three times, alone or in pairs, the rest of
// them make one line, "the same 9 times more".
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
//	       [lifetime=D] [version=1.0|1.1] [policy=P] [bootstrap-bytes=N]
//	       [accounts=N] [key-file] [queue-mode] [sensor] [parts]
//	       [firmware [needs-reboot] [asks] [download=psk|x509]]
//	    The configuration of the client, before start. The default is a factory
//	    account for "server" without security and no bootstrap account. With
//	    key-file the configuration names a file with the key, which is missing.
//	    With sensor the client serves a temperature, /3303/0/5700, which is 20; with
//	    parts an object 26241, whose instances have a name, /26241/N/0, and which
//	    servers create, write and delete. With firmware it takes updates, whose
//	    installer is at work for a second with each step, and has the machine
//	    restarted where it needs a reboot. With asks the gateway says whether an
//	    update goes on (call grant and so on); with download there are credentials
//	    for images from "server-2" over DTLS.
//	start [registered]
//	    Starts the client, in a new process after a kill or close. With
//	    "registered", what happens until it is registered is not narrated.
//	kill
//	    Ends the process at once (kill -9): no datagram leaves any more.
//	close
//	    Closes the client, which de-registers.
//	call update|pause|resume|bootstrap|factory-reset|network-up|grant|refuse|defer
//	call send PATH... [to=N]
//	    What an application asks for. A Send goes to the server with that short
//	    ID, by default 1.
//	advance D
//	    Lets time pass, and narrates what happens meanwhile.
//	await EVENT [code=N] [state=S] [times=N]
//	    Lets time pass until the client tells of an event: an error,
//	    registered, registration_updated, bootstrapped, unregistered, degraded
//	    or a state.
//	answer KIND CODE|ok|silence|reset|ack|malformed|stray-block [max-age=N]
//	       [text=T] [times=N] [delay=D] [separate] [twice] [no-location] [at=S]
//	    How a server treats the next requests of a kind, register, update,
//	    deregister, bootstrap-request, enrol or reenrol, instead of just answering them: ok
//	    answers as it would, in the manner that follows; ack is an empty
//	    acknowledgement and nothing else, stray-block a block of a body that
//	    was not sent. times=-1 is for ever.
//	server forgets|forgets-sessions|dies|closes|returns [at=S]
//	server refuses alert=N|accepts [at=S]
//	server key=wrong|right
//	server certificate=other-authority|right
//	    What servers do and undergo: their registrations or DTLS sessions are
//	    forgotten, their process dies (the ports refuse) or ends in order, and
//	    comes back; handshakes are refused with an alert; the key is another
//	    one, or the authority that signed the certificate.
//	server sends hex=BYTES [at=S]
//	server sends read|write|execute|delete PATH [text=VALUE] [meanwhile] [at=S]
//	server sends create PATH [text=NAME] [at=S]
//	server sends write-composite [at=S]
//	    The server sends a datagram, or a request for a resource of the client,
//	    and waits for the answer; with "meanwhile" the script goes on at once. A
//	    Create makes that instance of parts. A Write-Composite writes what the lines
//	    of input say: PATH text=VALUE or PATH number=N.
//	server sends observe PATH [at=S]
//	server sends write PATH pmin=N|pmax=N|gt=N|lt=N|st=N ... [at=S]
//	    The server observes a resource, or writes attributes to it.
//	server sends manifest uri=URI [size=N] [version=V] [forged] [meanwhile] [at=S]
//	server sends package [size=N] [meanwhile] [at=S]
//	    The server orders an update: by a manifest of the image, signed by who is
//	    trusted or by somebody else, or by sending the image.
//	image [size=N] [seed=N] [at=S], image gone [at=S]
//	    The server has an image of so many bytes at /image, 3000 by default; another
//	    seed makes another one.
//	image answers CODE|silence|reset|ack|malformed [from=N] [max-age=N] [times=N] [at=S]
//	    How the server treats the next requests for the image, of the blocks from
//	    that byte on.
//	web image [size=N] [seed=N]
//	web breaks|closes|stalls after=N [times=N], web answers [status=N] [times=N]
//	    A web server, web.test, has an image. The connections of the next requests
//	    for it are reset, closed or fall silent after so many bytes; or an error
//	    is the answer.
//	installer STEP [fails]
//	    What becomes of a step of the installation, which takes a second: verify,
//	    install, reboot, confirm or roll-back.
//	sensor shows=N
//	    The temperature is another one.
//	deliver [no-finish] [every=D]
//	discover|delete|account|read ...
//	    What the bootstrap server does to whoever asks, one operation a line of
//	    input: see deliver_test.go.
//	enrolment [lifetime=D]
//	    The bootstrap server enrols for certificates (EST), which last so long; before
//	    a server presents its certificate.
//	network black-hole|unreachable|busy|mended [to|from=S]
//	network drop [to|from=S] [after=N] [next=N]
//	    Faults of the network to or from a server, or in both directions. drop
//	    lets some datagrams pass and loses the next ones; unreachable and busy
//	    make the client's system refuse to send. mended ends all faults.
//	network rebinds
//	    A NAT before the client forgets its mappings.
//	network readdressed|unplugged|plugged
//	    The client's machine gets another address in the place of its own, or its
//	    cable is pulled and put back. The client is told.
//	network no-sockets
//	    The client's system has no socket left.
//	dns not-found|fails|silent|moves|both|right
//	    The name service, for server.test: it may name "server-2" instead, or
//	    an address that nobody has before the right one.
//	clock shows=TIME, clock right
//	    The wall clock of the client's machine is set. It begins as that of the
//	    bubble, at 2000-01-01T00:00:00Z.
//	disk full|read-only|unreadable|forbidden|mended, disk hangs for=D
//	    The disk under the state directory cannot be written, or not even read,
//	    or takes its time over the next write.
//	disk room bytes=N
//	    The disk under the state directory and the images has room for so many
//	    bytes more.
//	disk damages RECORD
//	    A bit of a stored record is another one.
//	disk key-file
//	    The file appears that was missing at first (config key-file).
//	crash ACTOR [message=TYPE]
//	    That actor, such as registration/1, panics at its next message.
//	hang ACTOR for=D [message=TYPE]
//	    That actor takes its time over its next message.
//	status
//	    What the client says of its servers.
package scenario

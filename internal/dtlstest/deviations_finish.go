package dtlstest

import (
	"bytes"
	"slices"
)

// endings are the families whose last flights differ.
var endings = []Family{FamilyPSK, FamilyECDSA, FamilyResume}

func change(name string, want Want, f messagesHook) []Deviation {
	return deviate("ChangeCipherSpec: "+name, want, onFinish(f), endings...)
}

// ccs is where the ChangeCipherSpec is.
func ccs(m []*Message) int {
	return slices.IndexFunc(m, func(m *Message) bool { return m.Content == ContentCCS })
}

func ccsBody(b ...byte) messagesHook {
	return func(_ *Server, m []*Message) []*Message { m[ccs(m)].Body = b; return m }
}

func dataIn(epoch uint16, content byte, b ...byte) *Message {
	return &Message{Content: content, Epoch: epoch, Body: b}
}

var changeDeviations = slices.Concat(
	change("missing", stalled, func(_ *Server, m []*Message) []*Message { return slices.Delete(m, ccs(m), ccs(m)+1) }),
	change("twice", ignored, func(_ *Server, m []*Message) []*Message { return slices.Insert(m, ccs(m), changeCipherSpec()) }),
	change("a hundred times", ignored, func(_ *Server, m []*Message) []*Message {
		return slices.Insert(m, ccs(m), slices.Repeat([]*Message{changeCipherSpec()}, 100)...)
	}),
	change("behind the Finished", ignored, func(_ *Server, m []*Message) []*Message {
		i := ccs(m)
		m[i], m[i+1] = m[i+1], m[i]
		return m
	}),
	change("body of 0", stalled, ccsBody(0)), change("body of 2", stalled, ccsBody(2)), change("body of 255", stalled, ccsBody(255)),
	change("empty body", stalled, ccsBody()), change("two bytes", stalled, ccsBody(1, 1)), change("a thousand bytes", stalled, ccsBody(make([]byte, 1000)...)),
	change("under the new keys", stalled, func(_ *Server, m []*Message) []*Message { m[ccs(m)].Epoch = 1; return m }),
	change("as a handshake message", stalled, func(_ *Server, m []*Message) []*Message {
		m[ccs(m)].Content = ContentAlert
		return m
	}),
	deviate("ChangeCipherSpec: before the ServerHello", ignored, onHello(func(_ *Server, m []*Message) []*Message {
		return slices.Insert(m, 0, changeCipherSpec())
	}), both...),
	deviate("ChangeCipherSpec: before the ServerHelloDone", ignored, onHello(func(_ *Server, m []*Message) []*Message {
		return slices.Insert(m, len(m)-1, changeCipherSpec())
	}), both...),
	deviate("ChangeCipherSpec: behind the ServerHelloDone", ignored, onHello(func(_ *Server, m []*Message) []*Message {
		return append(m, changeCipherSpec())
	}), both...),
)

func finish(name string, want Want, f func(*Server, []byte) []byte) []Deviation {
	return deviate("Finished: "+name, want, func(c *Config) { c.Hooks.Finished = f }, endings...)
}

func finishMessage(name string, want Want, f messagesHook) []Deviation {
	return deviate("Finished: "+name, want, onFinish(f), endings...)
}

func wrong(b []byte) func(*Server, []byte) []byte {
	return func(*Server, []byte) []byte { return b }
}

var undecryptable = refuse(AlertDecryptError)

var finishedDeviations = slices.Concat(
	finish("zeros", undecryptable, wrong(make([]byte, 12))),
	finish("0xff twelve times", undecryptable, wrong(bytes.Repeat([]byte{0xff}, 12))),
	finish("one bit changed", undecryptable, func(_ *Server, b []byte) []byte { b[11] ^= 1; return b }),
	finish("empty", undecryptable, wrong(nil)),
	finish("eleven bytes", undecryptable, func(_ *Server, b []byte) []byte { return b[:11] }),
	finish("thirteen bytes", undecryptable, func(_ *Server, b []byte) []byte { return append(b, 0) }),
	finish("twice the right bytes", undecryptable, func(_ *Server, b []byte) []byte { return join(b, b) }),
	finish("4,000 bytes", undecryptable, wrong(make([]byte, 4000))),
	finish("9,000 bytes", stalled, wrong(make([]byte, 9000))),
	finish("with the client's label", undecryptable, func(s *Server, _ []byte) []byte {
		return s.suite.verifyData(s.master, "client finished", s.transcript)
	}),
	finish("over no transcript", undecryptable, func(s *Server, _ []byte) []byte { return s.suite.verifyData(s.master, "server finished", nil) }),
	finish("over all but the last message", undecryptable, func(s *Server, _ []byte) []byte {
		return s.suite.verifyData(s.master, "server finished", s.transcript[:len(s.transcript)-24])
	}),
	finish("from another master secret", undecryptable, func(s *Server, _ []byte) []byte {
		return s.suite.verifyData(make([]byte, masterSize), "server finished", s.transcript)
	}),
	finishMessage("missing", stalled, func(_ *Server, m []*Message) []*Message { return m[:len(m)-1] }),
	finishMessage("in clear", stalled, func(_ *Server, m []*Message) []*Message { m[len(m)-1].Epoch = 0; return m }),
	finishMessage("twice", ignored, func(_ *Server, m []*Message) []*Message { return append(m, m[len(m)-1]) }),
	finishMessage("message_seq too high", stalled, func(_ *Server, m []*Message) []*Message { m[len(m)-1].Seq++; return m }),
	finishMessage("message_seq too low", stalled, func(_ *Server, m []*Message) []*Message { m[len(m)-1].Seq--; return m }),
	finishMessage("message_seq 65,535", stalled, func(_ *Server, m []*Message) []*Message { m[len(m)-1].Seq = 65535; return m }),
	finishMessage("a Certificate in its place", unexpected, func(_ *Server, m []*Message) []*Message { m[len(m)-1].Type = TypeCertificate; return m }),
	finishMessage("a HelloRequest in its place", unexpected, func(_ *Server, m []*Message) []*Message { m[len(m)-1].Type = TypeHelloRequest; return m }),
	finishMessage("an unknown message in its place", unexpected, func(_ *Server, m []*Message) []*Message { m[len(m)-1].Type = 99; return m }),
	finishMessage("as application data", stalled, func(_ *Server, m []*Message) []*Message { m[len(m)-1].Content = ContentData; return m }),
	finishMessage("a NewSessionTicket before it", stalled, func(s *Server, m []*Message) []*Message {
		return s.Renumber(slices.Insert(m, ccs(m), handshake(TypeNewSessionTicket, make([]byte, 20))))
	}),
	finishMessage("application data before it", ignored, func(_ *Server, m []*Message) []*Message {
		return slices.Insert(m, len(m)-1, dataIn(1, ContentData, []byte("early")...))
	}),
	finishMessage("application data in clear before it", ignored, func(_ *Server, m []*Message) []*Message {
		return slices.Insert(m, ccs(m), dataIn(0, ContentData, []byte("early")...))
	}),
	finishMessage("an unknown content before it", ignored, func(_ *Server, m []*Message) []*Message {
		return slices.Insert(m, len(m)-1, dataIn(1, 99, 1, 2, 3))
	}),
	finishMessage("half a header of a message under keys", refuse(AlertDecodeError), func(_ *Server, m []*Message) []*Message {
		return slices.Insert(m, len(m)-1, &Message{Content: ContentHandshake, Raw: true, Epoch: 1, Body: []byte{20, 0, 0, 12, 0}})
	}),
)

// only sends nothing but these messages, in the flight with the ServerHello.
func only(name string, want Want, messages ...*Message) []Deviation {
	return deviate("alert: "+name+" in the place of the flight", want, onHello(func(*Server, []*Message) []*Message { return messages }), both...)
}

// along sends an alert in clear with the honest flight.
func along(name string, a *Message) []Deviation {
	return slices.Concat(
		deviate("alert: "+name+" ahead of the flight", ignored, onHello(func(_ *Server, m []*Message) []*Message {
			return slices.Insert(m, 0, a)
		}), FamilyPSK, FamilyECDSA, FamilyResume),
		deviate("alert: "+name+" before the Finished", ignored, onFinish(func(_ *Server, m []*Message) []*Message {
			return slices.Insert(m, len(m)-1, a)
		}), endings...))
}

// instead sends an alert in the place of the Finished.
func instead(name string, want Want, a *Message) []Deviation {
	return deviate("alert: "+name+" in the place of the Finished", want, onFinish(func(_ *Server, m []*Message) []*Message {
		m[len(m)-1] = a
		return m
	}), endings...)
}

func fatals() (all []Deviation) {
	for _, n := range []byte{0, 10, 20, 22, 40, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 70, 71, 80, 86, 90, 100, 110, 112, 115, 116, 120, 255} {
		all = append(all, only(alertName(LevelFatal, n), ended, alert(0, LevelFatal, n))...)
	}
	return all
}

var alertDeviations = slices.Concat(
	fatals(),
	only("close_notify", ended, alert(0, LevelWarning, AlertCloseNotify)),
	only("a warning of no renegotiation", stalled, alert(0, LevelWarning, AlertNoRenegotiation)),
	only("a warning of handshake_failure", stalled, alert(0, LevelWarning, AlertHandshakeFailure)),
	only(alertName(0, 40), stalled, alert(0, 0, 40)), only(alertName(3, 40), stalled, alert(0, 3, 40)), only(alertName(255, 255), stalled, alert(0, 255, 255)),
	only("an alert of one byte", stalled, dataIn(0, ContentAlert, 2)),
	only("an alert of three bytes", stalled, dataIn(0, ContentAlert, 2, 40, 0)),
	only("two alerts in a record", stalled, dataIn(0, ContentAlert, 2, 40, 2, 40)),
	only("an empty alert", stalled, dataIn(0, ContentAlert)),
	along("handshake_failure in clear", alert(0, LevelFatal, AlertHandshakeFailure)),
	along("unknown_ca in clear", alert(0, LevelFatal, AlertUnknownCA)),
	along("close_notify in clear", alert(0, LevelWarning, AlertCloseNotify)),
	along("a warning in clear", alert(0, LevelWarning, AlertNoRenegotiation)),
	along("an alert of one byte in clear", dataIn(0, ContentAlert, 2)),
	along("an alert under epoch 2", alert(2, LevelFatal, AlertHandshakeFailure)),
	instead("handshake_failure in clear", ended, alert(0, LevelFatal, AlertHandshakeFailure)),
	instead("decrypt_error under keys", ended, alert(1, LevelFatal, AlertDecryptError)),
	instead("close_notify under keys", ended, alert(1, LevelWarning, AlertCloseNotify)),
	instead("a warning under keys", stalled, alert(1, LevelWarning, AlertNoRenegotiation)),
	instead("an alert of one byte under keys", stalled, dataIn(1, ContentAlert, 2)),
	instead("an alert of three bytes under keys", stalled, dataIn(1, ContentAlert, 2, 40, 0)),
	instead("an empty alert under keys", stalled, dataIn(1, ContentAlert)),
	instead("an alert under epoch 2", stalled, alert(2, LevelFatal, AlertHandshakeFailure)),
)

func resuming(name string, want Want, apply func(*Config)) []Deviation {
	return deviate("resumption: "+name, want, apply, FamilyResume)
}

// session changes what the server believes the session to be.
func session(f func(*Session)) func(*Config) {
	return func(c *Config) {
		other := *c.Session
		f(&other)
		c.Session = &other
	}
}

func resumedHello(name string, want Want, f func(*Server, *ServerHello)) []Deviation {
	return resuming(name, want, saying(f))
}

var resumeDeviations = slices.Concat(
	resuming("the server has forgotten the session", ignored, func(c *Config) { c.Session = nil }),
	resuming("the server begins a session with another ID", ignored, func(c *Config) { c.Session = &Session{ID: []byte("another")} }),
	resuming("a full handshake under the old ID", stalled, session(func(s *Session) { s.Master = nil })),
	resuming("another master secret", stalled, session(func(s *Session) { s.Master = make([]byte, masterSize) })),
	resuming("another suite of the offer", refuse(AlertIllegalParameter), session(func(s *Session) { s.Suite = PSKWithAES128GCM })),
	resuming("a suite that was not offered", refuse(alertSuite), func(c *Config) {
		saying(func(_ *Server, h *ServerHello) { h.Suite = 0x00ae })(c)
	}),
	resumedHello("another session's ID", stalled, func(_ *Server, h *ServerHello) { h.SessionID = bytes.Repeat([]byte{8}, 32) }),
	resumedHello("an ID with one bit changed", stalled, func(_ *Server, h *ServerHello) {
		h.SessionID = bytes.Clone(h.SessionID)
		h.SessionID[31] ^= 1
	}),
	resumedHello("the beginning of the ID", stalled, func(_ *Server, h *ServerHello) { h.SessionID = h.SessionID[:31] }),
	resumedHello("no ID", stalled, func(_ *Server, h *ServerHello) { h.SessionID = nil }),
	resumedHello("no extended master secret", refuse(AlertHandshakeFailure), func(_ *Server, h *ServerHello) { h.Remove(ExtExtendedMasterSecret) }),
	resumedHello("extended master secret with a body", refuse(AlertIllegalParameter), func(_ *Server, h *ServerHello) { h.Set(ExtExtendedMasterSecret, []byte{1}) }),
	resumedHello("another version", refuse(AlertProtocolVersion), func(_ *Server, h *ServerHello) { h.Version = VersionDTLS10 }),
	resumedHello("another compression", refuse(AlertIllegalParameter), func(_ *Server, h *ServerHello) { h.Compression = 1 }),
	resumedHello("an extension that was not offered", refuse(AlertUnsupportedExtension), func(_ *Server, h *ServerHello) { h.Set(35, nil) }),
	resumedHello("a Connection ID that was not offered", refuse(AlertUnsupportedExtension), func(_ *Server, h *ServerHello) { h.Set(ExtConnectionID, []byte{1, 1}) }),
	resuming("a Certificate behind the ServerHello", stalled, onHello(func(s *Server, m []*Message) []*Message {
		return s.Renumber(slices.Insert(m, 1, handshake(TypeCertificate, []byte{0, 0, 0})))
	})),
	resuming("a ServerHelloDone behind the ServerHello", stalled, onHello(func(s *Server, m []*Message) []*Message {
		return s.Renumber(slices.Insert(m, 1, handshake(TypeServerHelloDone, nil)))
	})),
	resuming("a NewSessionTicket behind the ServerHello", stalled, onHello(func(s *Server, m []*Message) []*Message {
		return s.Renumber(slices.Insert(m, 1, handshake(TypeNewSessionTicket, make([]byte, 20))))
	})),
	resuming("the ServerHello alone", stalled, onHello(func(_ *Server, m []*Message) []*Message { return m[:1] })),
	resuming("the Finished ahead of the ServerHello", ignored, func(c *Config) {
		c.Layout.Alone = true
		datagramsOf(once(func(_ *Server, all [][]byte) [][]byte {
			slices.Reverse(all)
			return all
		}))(c)
	}),
)

// after sends messages behind the last flight of the handshake.
func after(name string, messages ...*Message) []Deviation {
	add := onFinish(func(_ *Server, m []*Message) []*Message { return append(m, messages...) })
	return deviate("afterwards: "+name, ignored, func(c *Config) {
		c.Layout.Alone = true
		add(c)
	}, FamilyPSK, FamilyECDSA, FamilyRPK, FamilyCID)
}

func silent(m *Message, epoch, seq uint16) *Message {
	m.Epoch, m.Seq, m.Silent = epoch, seq, true
	return m
}

// replayed repeats the datagrams of the last flight, in another order.
func replayed(name string, f func([][]byte) [][]byte) []Deviation {
	return deviate("afterwards: "+name, ignored, func(c *Config) {
		c.Layout.Alone = true
		c.Hooks.Datagrams = func(s *Server, k FlightKind, all [][]byte) [][]byte {
			if k == FlightFinish {
				return append(slices.Clone(all), f(all)...)
			}
			return all
		}
	}, FamilyPSK, FamilyECDSA, FamilyCID)
}

var afterDeviations = slices.Concat(
	after("application data in clear", dataIn(0, ContentData, []byte("clear")...)),
	after("application data under epoch 2", dataIn(2, ContentData, []byte("epoch")...)),
	after("application data under epoch 65,535", dataIn(65535, ContentData, []byte("epoch")...)),
	after("an alert in clear", alert(0, LevelFatal, AlertHandshakeFailure)),
	after("close_notify in clear", alert(0, LevelWarning, AlertCloseNotify)),
	after("an alert under epoch 2", alert(2, LevelFatal, AlertInternalError)),
	after("a warning under keys", alert(1, LevelWarning, AlertNoRenegotiation)),
	after("an alert of one byte under keys", dataIn(1, ContentAlert, 2)),
	after("an alert of three bytes under keys", dataIn(1, ContentAlert, 2, 40, 0)),
	after("an empty alert under keys", dataIn(1, ContentAlert)),
	after("a ChangeCipherSpec in clear", changeCipherSpec()),
	after("a ChangeCipherSpec under keys", dataIn(1, ContentCCS, 1)),
	after("a HelloRequest in clear", silent(handshake(TypeHelloRequest, nil), 0, 0)),
	after("a HelloRequest under keys", silent(handshake(TypeHelloRequest, nil), 1, 0)),
	after("a HelloRequest under keys with the next number", silent(handshake(TypeHelloRequest, nil), 1, 6)),
	after("a ServerHello in clear", silent(handshake(TypeServerHello, make([]byte, 38)), 0, 1)),
	after("a ServerHello under keys", silent(handshake(TypeServerHello, make([]byte, 38)), 1, 0)),
	after("a ServerHelloDone in clear", silent(handshake(TypeServerHelloDone, nil), 0, 2)),
	after("a HelloVerifyRequest in clear", silent(handshake(TypeHelloVerifyRequest, []byte{0xfe, 0xfd, 1, 1}), 0, 0)),
	after("a NewSessionTicket under keys", silent(handshake(TypeNewSessionTicket, make([]byte, 20)), 1, 7)),
	after("a Finished of zeros under keys", silent(handshake(TypeFinished, make([]byte, 12)), 1, 7)),
	after("half a handshake message under keys", &Message{Content: ContentHandshake, Raw: true, Epoch: 1, Body: []byte{20, 0, 0}}),
	after("an unknown content under keys", dataIn(1, 99, 1, 2, 3)),
	after("a heartbeat under keys", dataIn(1, 24, 1, 0, 3, 1, 2, 3)),
	after("an empty record of a heartbeat under keys", dataIn(1, 24)),
	replayed("the last flight again, byte by byte the same", func(all [][]byte) [][]byte { return all }),
	replayed("the last flight a hundred times", func(all [][]byte) [][]byte { return slices.Repeat(all, 100) }),
	replayed("garbage", func([][]byte) [][]byte {
		return [][]byte{{}, {23}, bytes.Repeat([]byte{23}, 500), bytes.Repeat([]byte{0xff}, 60000)}
	}),
	replayed("sealed zeros", func([][]byte) [][]byte {
		return [][]byte{sealedLie(ContentData, 1, 40), sealedLie(ContentAlert, 1, 18)}
	}),
	replayed("five thousand empty records of epoch 1", func([][]byte) [][]byte {
		return [][]byte{slices.Concat(slices.Repeat([][]byte{sealedLie(ContentData, 1, 0)}, 5000)...)}
	}),
)

package dtlstest

import (
	"fmt"
	"slices"
)

// order changes the flight and gives its messages new numbers, so that only
// the order is wrong.
func order(name string, want Want, f messagesHook, families ...Family) []Deviation {
	return deviate("order: "+name, want, onHello(func(s *Server, m []*Message) []*Message {
		return s.Renumber(f(s, m))
	}), families...)
}

func without(kinds ...byte) messagesHook {
	return func(_ *Server, m []*Message) []*Message {
		return slices.DeleteFunc(m, func(m *Message) bool { return slices.Contains(kinds, m.Type) })
	}
}

func swapped(a, b byte) messagesHook {
	return func(_ *Server, m []*Message) []*Message {
		i, j := position(m, a), position(m, b)
		m[i], m[j] = m[j], m[i]
		return m
	}
}

// again repeats a message, behind itself, as one with a number of its own.
func again(kind byte) messagesHook {
	return func(_ *Server, m []*Message) []*Message {
		i := position(m, kind)
		twin := *m[i]
		return slices.Insert(m, i+1, &twin)
	}
}

// inserted puts a message at a place, counted from the end where negative.
func inserted(at int, kind byte, body []byte) messagesHook {
	return func(_ *Server, m []*Message) []*Message {
		if at < 0 {
			return slices.Insert(m, len(m)+at, handshake(kind, body))
		}
		return slices.Insert(m, at, handshake(kind, body))
	}
}

// strange inserts a message that does not belong into the flight, wherever it
// is.
func strange(name string, kind byte, body []byte) (all []Deviation) {
	for _, at := range []int{1, -1} {
		where := map[int]string{1: "behind the ServerHello", -1: "before the ServerHelloDone"}[at]
		all = append(all, order(name+" "+where, refuse(AlertUnexpectedMessage), inserted(at, kind, body), both...)...)
	}
	return all
}

// behind puts messages behind the ServerHelloDone, where the client has answered
// already. The server counts them: what the client proves with ECDSA does not
// fit for it, and with PSK its Finished has another number than the client
// waits for.
func behind(name string, f messagesHook, families ...Family) (all []Deviation) {
	for _, family := range families {
		want := map[Family]Want{FamilyPSK: stalled, FamilyECDSA: ended}[family]
		all = append(all, order(name+" behind the ServerHelloDone", want, f, family)...)
	}
	return all
}

// moved takes a message out and puts it behind the ServerHelloDone.
func moved(kind byte) messagesHook {
	return func(_ *Server, m []*Message) []*Message {
		i := position(m, kind)
		one := m[i]
		return append(slices.Delete(m, i, i+1), one)
	}
}

func appended(kind byte, body []byte) messagesHook {
	return func(_ *Server, m []*Message) []*Message { return append(m, handshake(kind, body)) }
}

var unexpected = refuse(AlertUnexpectedMessage)

var orderDeviations = slices.Concat(
	order("no Certificate", unexpected, without(TypeCertificate), FamilyECDSA, FamilyRPK),
	order("no ServerKeyExchange", unexpected, without(TypeServerKeyExchange), FamilyECDSA, FamilyRPK),
	order("neither Certificate nor ServerKeyExchange", unexpected, without(TypeCertificate, TypeServerKeyExchange), FamilyECDSA, FamilyRPK),
	order("nothing but hello and done", unexpected, without(TypeCertificate, TypeServerKeyExchange, TypeCertificateRequest), FamilyECDSA, FamilyRPK),
	order("no ServerHello", stalled, without(TypeServerHello), both...),
	order("no ServerHelloDone", stalled, without(TypeServerHelloDone), both...),
	order("Certificate and ServerKeyExchange swapped", unexpected, swapped(TypeCertificate, TypeServerKeyExchange), FamilyECDSA),
	order("ServerKeyExchange and CertificateRequest swapped", unexpected, swapped(TypeServerKeyExchange, TypeCertificateRequest), FamilyECDSA),
	order("Certificate and CertificateRequest swapped", unexpected, swapped(TypeCertificate, TypeCertificateRequest), FamilyECDSA),
	order("ServerHello and Certificate swapped", stalled, swapped(TypeServerHello, TypeCertificate), FamilyECDSA),
	order("ServerHello last", stalled, swapped(TypeServerHello, TypeServerHelloDone), both...),
	// Good up to its ServerHelloDone: the client shows no certificate, and the
	// server, which has asked too late, gives up.
	order("ServerHelloDone before the CertificateRequest", ended, swapped(TypeCertificateRequest, TypeServerHelloDone), FamilyECDSA),
	order("ServerHelloDone before the ServerKeyExchange", unexpected, moved(TypeServerKeyExchange), FamilyECDSA, FamilyRPK),
	order("ServerHelloDone before the Certificate", unexpected, moved(TypeCertificate), FamilyECDSA, FamilyRPK),
	order("the whole flight the wrong way round", stalled, func(_ *Server, m []*Message) []*Message { slices.Reverse(m); return m }, both...),
	order("ServerHello twice", unexpected, again(TypeServerHello), both...),
	order("Certificate twice", unexpected, again(TypeCertificate), FamilyECDSA),
	order("ServerKeyExchange twice", unexpected, again(TypeServerKeyExchange), FamilyECDSA, FamilyRPK),
	order("CertificateRequest twice", unexpected, again(TypeCertificateRequest), FamilyECDSA),
	behind("the whole flight again", func(_ *Server, m []*Message) []*Message {
		twins := slices.Clone(m)
		for i := range m {
			twin := *m[i]
			twins[i] = &twin
		}
		return append(m, twins...)
	}, both...),
	order("ServerKeyExchange of another before the right one", unexpected, func(s *Server, m []*Message) []*Message {
		k := s.keyExchange()
		k.Signer = s.cfg.PKI.strayKey
		return slices.Insert(m, position(m, TypeServerKeyExchange), handshake(TypeServerKeyExchange, k.encode(false)))
	}, FamilyECDSA),
	behind("ServerHelloDone again", again(TypeServerHelloDone), both...),
	behind("a second ServerKeyExchange", func(s *Server, m []*Message) []*Message {
		twin := *find(m, TypeServerKeyExchange)
		return append(m, &twin)
	}, FamilyECDSA),
	behind("a ServerHello", func(s *Server, m []*Message) []*Message { twin := *m[0]; return append(m, &twin) }, both...),
	behind("a Certificate", appended(TypeCertificate, []byte{0, 0, 0}), both...),
	behind("a NewSessionTicket", appended(TypeNewSessionTicket, make([]byte, 20)), both...),
	behind("a HelloRequest", appended(TypeHelloRequest, nil), both...),
	strange("a HelloRequest", TypeHelloRequest, nil),
	strange("a ClientHello", TypeClientHello, make([]byte, 41)),
	strange("a NewSessionTicket", TypeNewSessionTicket, make([]byte, 20)),
	strange("an EncryptedExtensions of TLS 1.3", 8, []byte{0, 0}),
	strange("a CertificateVerify", TypeCertificateVerify, make([]byte, 40)),
	strange("a ClientKeyExchange", TypeClientKeyExchange, make([]byte, 34)),
	strange("a Finished", TypeFinished, make([]byte, 12)),
	strange("a CertificateStatus", 22, []byte{1, 0, 0, 0}),
	strange("a SupplementalData", 23, []byte{0, 0, 0}),
	strange("a KeyUpdate of TLS 1.3", 24, []byte{0}),
	strange("message type 5", 5, nil), strange("message type 99", 99, nil), strange("message type 255", 255, make([]byte, 9)),
	order("a Certificate where PSK is asked for", unexpected, inserted(1, TypeCertificate, []byte{0, 0, 0}), FamilyPSK, FamilyCID),
	deviate("ServerHelloDone: with a body", refuse(AlertDecodeError), body(TypeServerHelloDone, func([]byte) []byte { return []byte{0} }), both...),
	deviate("ServerHelloDone: with 4,000 bytes", refuse(AlertDecodeError), body(TypeServerHelloDone, func([]byte) []byte { return make([]byte, 4000) }), both...),
)

// numbered changes message_seq of the messages of a flight, and leaves the rest.
func numbered(name string, want Want, f func(i int, m *Message), families ...Family) []Deviation {
	return deviate("message_seq: "+name, want, onHello(func(_ *Server, messages []*Message) []*Message {
		for i, m := range messages {
			f(i, m)
		}
		return messages
	}), families...)
}

// extra sends a fragment beside the honest flight.
func extra(name string, want Want, first bool, f func(s *Server, all []*Fragment) *Fragment, families ...Family) []Deviation {
	return deviate(name, want, fragmentsOf(once(func(s *Server, all []*Fragment) []*Fragment {
		if one := f(s, all); first {
			return append([]*Fragment{one}, all...)
		} else {
			return append(all, one)
		}
	})), families...)
}

// piece is a fragment that nobody else has sent.
func piece(kind byte, seq, length, offset, size int) *Fragment {
	return &Fragment{Content: ContentHandshake, Type: kind, Seq: uint16(seq), Length: length, Offset: offset, Size: size, Data: make([]byte, size)}
}

func forged(name string, kind byte, seq, length, offset, size int) []Deviation {
	return slices.Concat(
		extra("forged: "+name+", ahead of the flight", ignored, true, func(*Server, []*Fragment) *Fragment { return piece(kind, seq, length, offset, size) }, both...),
		extra("forged: "+name+", behind the flight", ignored, false, func(*Server, []*Fragment) *Fragment { return piece(kind, seq, length, offset, size) }, FamilyPSK),
	)
}

var sequenceDeviations = slices.Concat(
	numbered("the flight begins at 0 behind a cookie", stalled, func(_ int, m *Message) { m.Seq-- }, FamilyPSK),
	numbered("the flight begins at 2", stalled, func(_ int, m *Message) { m.Seq++ }, both...),
	numbered("the flight begins at 5", stalled, func(_ int, m *Message) { m.Seq += 4 }, both...),
	numbered("the flight begins at 65,533", stalled, func(_ int, m *Message) { m.Seq += 65532 }, both...),
	numbered("one is left out", stalled, func(i int, m *Message) { m.Seq += uint16(min(i, 1)) }, both...),
	numbered("all the same", stalled, func(_ int, m *Message) { m.Seq = 1 }, both...),
	numbered("all 65,535", stalled, func(_ int, m *Message) { m.Seq = 65535 }, both...),
	numbered("counted down", stalled, func(i int, m *Message) { m.Seq = uint16(9 - i) }, both...),
	numbered("in steps of two", stalled, func(i int, m *Message) { m.Seq = uint16(1 + 2*i) }, both...),
	numbered("in steps of 256", stalled, func(i int, m *Message) { m.Seq = uint16(1 + 256*i) }, both...),
	numbered("the last one at the end of the numbers", stalled, func(_ int, m *Message) {
		if m.Type == TypeServerHelloDone {
			m.Seq = 65535
		}
	}, both...),
	forged("a ServerHello of another length", TypeServerHello, 1, 4000, 0, 20),
	forged("a ServerHello of no length", TypeServerHello, 1, 0, 0, 0),
	forged("a Certificate in the place of the ServerHello", TypeCertificate, 1, 400, 0, 100),
	forged("a ServerHelloDone in the place of the ServerHello", TypeServerHelloDone, 1, 0, 0, 0),
	forged("a ServerHelloDone in the second place", TypeServerHelloDone, 2, 0, 0, 0),
	forged("a ServerHelloDone far behind", TypeServerHelloDone, 9, 0, 0, 0),
	forged("a ServerHello without a cookie's number", TypeServerHello, 0, 40, 0, 40),
	forged("a message of number 11", TypeCertificate, 11, 60000, 59999, 1),
	forged("a message of number 12", TypeCertificate, 12, 10, 0, 10),
	forged("a message of number 65,535", TypeCertificate, 65535, 10, 0, 10),
	forged("a message of 16 MiB", TypeCertificate, 2, 1<<24-1, 0, 1000),
	forged("a message of 16 MiB, its end", TypeCertificate, 2, 1<<24-1, 1<<24-1001, 1000),
	forged("a Finished in clear", TypeFinished, 3, 12, 0, 12),
	forged("a Finished in clear, with the right number for PSK", TypeFinished, 4, 12, 0, 12),
	forged("a HelloRequest", TypeHelloRequest, 0, 0, 0, 0),
	forged("a ClientHello", TypeClientHello, 0, 40, 0, 40),
	announced(), crowded(),
)

// announced fills what a client may put by for messages with announcements of
// long ones that never come. The honest flight has to find room all the same.
func announced() []Deviation {
	return deviate("forged: long messages announced at every number, ahead of the flight", ignored,
		fragmentsOf(once(func(_ *Server, all []*Fragment) []*Fragment {
			var lies []*Fragment
			for seq := range 12 {
				lies = append(lies, piece(TypeCertificate, 11-seq, 64<<10, 0, 1))
			}
			for seq := range 12 {
				lies = append(lies, piece(TypeServerKeyExchange, 11-seq, 8<<10, 0, 1))
			}
			return append(lies, all...)
		})), both...)
}

// crowded takes the same room in one datagram, at numbers that the honest
// flight has no use for.
func crowded() []Deviation {
	return deviate("forged: long messages announced behind the flight's numbers, ahead of the flight", ignored,
		fragmentsOf(once(func(_ *Server, all []*Fragment) []*Fragment {
			return append([]*Fragment{
				piece(TypeCertificate, 11, 64<<10, 0, 1), piece(TypeCertificate, 10, 64<<10, 0, 1),
				piece(TypeServerKeyExchange, 9, 8<<10, 0, 1), piece(TypeServerKeyExchange, 8, 8<<10, 0, 1),
			}, all...)
		})), both...)
}

// alertName is for names of deviations.
func alertName(level, number byte) string { return fmt.Sprintf("level %d, number %d", level, number) }

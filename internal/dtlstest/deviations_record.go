package dtlstest

import (
	"bytes"
	"slices"
)

// laid lets flights be cut in another way, which is honest.
func laid(name string, l Layout, families ...Family) []Deviation {
	return deviate("layout: "+name, ignored, func(c *Config) { c.Layout = l }, families...)
}

// everyFragment changes all fragments of a flight of small ones.
func everyFragment(name string, want Want, f func(i int, one *Fragment)) []Deviation {
	change := fragmentsOf(func(_ *Server, all []*Fragment) []*Fragment {
		for i, one := range all {
			f(i, one)
		}
		return all
	})
	return deviate("fragment: "+name, want, func(c *Config) {
		c.Layout.MTU = 90 // pieces of 40 bytes
		change(c)
	}, FamilyECDSA, FamilyPSK)
}

// among puts fragments around each honest one, when a flight is sent first.
func among(name string, want Want, f func(one *Fragment) []*Fragment) []Deviation {
	change := fragmentsOf(once(func(_ *Server, all []*Fragment) (out []*Fragment) {
		for _, one := range all {
			out = append(out, f(one)...)
		}
		return out
	}))
	return deviate("fragment: "+name, want, func(c *Config) {
		c.Layout.MTU = 90
		change(c)
	}, FamilyPSK, FamilyRPK)
}

// like is a fragment of the same message with other bytes.
func like(one *Fragment, f func(*Fragment)) *Fragment {
	twin := *one
	twin.Data = bytes.Clone(one.Data)
	f(&twin)
	return &twin
}

func lie(one *Fragment) *Fragment {
	return like(one, func(f *Fragment) {
		for i := range f.Data {
			f.Data[i] ^= 0xff
		}
	})
}

var fragmentDeviations = slices.Concat(
	laid("pieces of one byte", Layout{MTU: 51}, FamilyPSK),
	laid("pieces of 20 bytes", Layout{MTU: 70}, Families...),
	laid("256 bytes", Layout{MTU: 256}, Families...),
	laid("overlap", Layout{MTU: 120, Overlap: 50}, Families...),
	laid("everything twice", Layout{MTU: 120, Double: true}, Families...),
	laid("the wrong way round", Layout{MTU: 200, Reverse: true, Alone: true}, both...),
	laid("one record a datagram", Layout{Alone: true}, Families...),
	laid("all messages in one record", Layout{Coalesced: true}, Families...),
	laid("several pieces in one record", Layout{MTU: 400, Coalesced: true, Overlap: 10}, Families...),
	laid("a thousand empty pieces ahead of each message", Layout{Empty: 1000}, both...),
	deviate("layout: cut in another way on the resend", ignored, func(c *Config) {
		c.Layout, c.Resent = Layout{MTU: 150, Alone: true}, &Layout{MTU: 177, Alone: true}
		datagramsOf(once(func(_ *Server, all [][]byte) [][]byte { return all[:len(all)-1] }))(c)
	}, both...),
	everyFragment("total lengths differ", stalled, func(i int, f *Fragment) { f.Length += i % 2 }),
	everyFragment("total length too short", stalled, func(_ int, f *Fragment) { f.Length-- }),
	everyFragment("total length of 16 MiB", stalled, func(_ int, f *Fragment) { f.Length = 1<<24 - 1 }),
	everyFragment("total length of zero", stalled, func(_ int, f *Fragment) { f.Length = 0 }),
	everyFragment("types differ", stalled, func(i int, f *Fragment) { f.Type += byte(i % 2) }),
	everyFragment("behind the end of the message", stalled, func(_ int, f *Fragment) { f.Offset = f.Length }),
	everyFragment("offset of 16 MiB", stalled, func(_ int, f *Fragment) { f.Offset = 1<<24 - 1 }),
	everyFragment("longer than it is", stalled, func(_ int, f *Fragment) { f.Size++ }),
	everyFragment("16 MiB long", stalled, func(_ int, f *Fragment) { f.Size = 1<<24 - 1 }),
	everyFragment("shorter than it is", stalled, func(_ int, f *Fragment) { f.Size = max(0, f.Size-1) }),
	everyFragment("all empty", stalled, func(_ int, f *Fragment) { f.Size, f.Data = 0, nil; f.Length = max(1, f.Length) }),
	everyFragment("one byte of each is missing", stalled, func(_ int, f *Fragment) {
		if len(f.Data) > 0 {
			f.Offset, f.Size, f.Data = f.Offset+1, f.Size-1, f.Data[1:]
		}
	}),
	among("a lie ahead of each", ignored, func(f *Fragment) []*Fragment { return []*Fragment{lie(f), f} }),
	among("a lie behind each", ignored, func(f *Fragment) []*Fragment { return []*Fragment{f, lie(f)} }),
	among("lies and nothing else", refuse(AlertDecodeError), func(f *Fragment) []*Fragment { return []*Fragment{lie(f)} }),
	among("an overlap with other bytes", ignored, func(f *Fragment) []*Fragment {
		return []*Fragment{f, like(f, func(f *Fragment) {
			if f.Size > 4 {
				f.Offset, f.Size, f.Data = f.Offset+2, f.Size-2, f.Data[2:]
				f.Data[0] ^= 1
			}
		})}
	}),
	among("another length ahead of each", ignored, func(f *Fragment) []*Fragment {
		return []*Fragment{like(f, func(f *Fragment) { f.Length++ }), f}
	}),
	among("another type ahead of each", ignored, func(f *Fragment) []*Fragment {
		return []*Fragment{like(f, func(f *Fragment) { f.Type = 99 }), f}
	}),
	among("each a hundred times", ignored, func(f *Fragment) []*Fragment { return slices.Repeat([]*Fragment{f}, 100) }),
	among("a hundred empty ones around each", ignored, func(f *Fragment) []*Fragment {
		return append(slices.Repeat([]*Fragment{like(f, func(f *Fragment) { f.Size, f.Data = 0, nil })}, 100), f)
	}),
	among("header without its end, in the same record", ignored, func(f *Fragment) []*Fragment {
		return []*Fragment{f, {Content: ContentHandshake, Type: 14, Length: 4, Size: 4, Seq: 1}}
	}),
)

// everyRecord changes all records of the flight with the ServerHello.
func everyRecord(name string, want Want, f func(i int, r *Record)) []Deviation {
	return deviate("record: "+name, want, recordsOf(func(_ *Server, all []*Record) []*Record {
		for i, r := range all {
			f(i, r)
		}
		return all
	}), both...)
}

// beside sends datagrams ahead of the flight.
func beside(name string, d ...[]byte) []Deviation {
	return deviate("record: "+name+", ahead of the flight", ignored, datagramsOf(func(_ *Server, all [][]byte) [][]byte {
		return slices.Concat(d, all)
	}), both...)
}

func damaged(f func([]byte) []byte) func(int, *Record) {
	return func(_ int, r *Record) { r.Damage = f }
}

func sealedLie(content byte, epoch uint16, n int) []byte {
	return (&Record{Content: content, Version: VersionDTLS12, Epoch: epoch, Number: 3, Payload: make([]byte, n), Length: -1}).encode()
}

var recordDeviations = slices.Concat(
	everyRecord("version DTLS 1.0", ignored, func(_ int, r *Record) { r.Version = VersionDTLS10 }),
	everyRecord("version 0x0100", stalled, func(_ int, r *Record) { r.Version = 0x0100 }),
	everyRecord("version TLS 1.2", stalled, func(_ int, r *Record) { r.Version = 0x0303 }),
	everyRecord("version 0x0000", stalled, func(_ int, r *Record) { r.Version = 0 }),
	everyRecord("epoch 1", stalled, func(_ int, r *Record) { r.Epoch = 1 }),
	everyRecord("epoch 2", stalled, func(_ int, r *Record) { r.Epoch = 2 }),
	everyRecord("epoch 65,535", stalled, func(_ int, r *Record) { r.Epoch = 65535 }),
	everyRecord("content type of application data", stalled, func(_ int, r *Record) { r.Content = ContentData }),
	everyRecord("content type of an alert", stalled, func(_ int, r *Record) { r.Content = ContentAlert }),
	everyRecord("content type of a heartbeat", stalled, func(_ int, r *Record) { r.Content = 24 }),
	everyRecord("content type 0", stalled, func(_ int, r *Record) { r.Content = 0 }),
	everyRecord("content type 255", stalled, func(_ int, r *Record) { r.Content = 255 }),
	everyRecord("length too long by one", stalled, func(_ int, r *Record) { r.Length = len(r.Payload) + 1 }),
	everyRecord("length too short by one", stalled, func(_ int, r *Record) { r.Length = max(0, len(r.Payload)-1) }),
	everyRecord("length 65,535", stalled, func(_ int, r *Record) { r.Length = 65535 }),
	everyRecord("length 0", stalled, func(_ int, r *Record) { r.Length = 0 }),
	everyRecord("no payload", stalled, func(_ int, r *Record) { r.Payload = nil }),
	everyRecord("cut within the header", stalled, damaged(func(b []byte) []byte { return b[:12] })),
	everyRecord("cut within the payload", stalled, damaged(func(b []byte) []byte { return b[:len(b)-1] })),
	everyRecord("a byte ahead", stalled, damaged(func(b []byte) []byte { return append([]byte{22}, b...) })),
	everyRecord("all the same number", ignored, func(_ int, r *Record) { r.Number = 7 }),
	everyRecord("numbers counted down", ignored, func(i int, r *Record) { r.Number = 1<<48 - 1 - uint64(i) }),
	everyRecord("sealed with nobody's key", stalled, func(_ int, r *Record) {
		r.Epoch, r.Keys = 1, &keys{aead: newGCM(make([]byte, 16)), salt: make([]byte, 4)}
	}),
	beside("an empty datagram", []byte{}),
	beside("a datagram of one byte", []byte{22}),
	beside("a header alone", sealedLie(ContentHandshake, 0, 0)),
	beside("an empty alert", sealedLie(ContentAlert, 0, 0)),
	beside("an empty ChangeCipherSpec", sealedLie(ContentCCS, 0, 0)),
	beside("empty application data in clear", sealedLie(ContentData, 0, 0)),
	beside("application data in clear", sealedLie(ContentData, 0, 100)),
	beside("a heartbeat", sealedLie(24, 0, 19)),
	beside("an unknown content", sealedLie(99, 0, 19)),
	beside("a record of DTLS 1.3", append([]byte{0x2f, 0, 1, 0, 20}, make([]byte, 20)...)),
	beside("zeros under epoch 1", sealedLie(ContentHandshake, 1, 40)),
	beside("nothing under epoch 1", sealedLie(ContentHandshake, 1, 0)),
	beside("zeros under epoch 65,535", sealedLie(ContentData, 65535, 40)),
	beside("a record of 16 KiB and one byte", sealedLie(ContentHandshake, 0, 1<<14+1)),
	beside("a record of 60,000 bytes", sealedLie(ContentHandshake, 0, 60000)),
	beside("60,000 bytes of 0xff", bytes.Repeat([]byte{0xff}, 60000)),
	beside("five thousand empty records", slices.Concat(slices.Repeat([][]byte{sealedLie(ContentHandshake, 0, 0)}, 5000)...)),
	beside("five thousand empty records of epoch 1", slices.Concat(slices.Repeat([][]byte{sealedLie(ContentHandshake, 1, 0)}, 5000)...)),
	beside("a CoAP message", []byte{0x60, 0x41, 0, 1}),
	beside("an HTTP answer", []byte("HTTP/1.1 400 Bad Request\r\n\r\n")),
	beside("a ServerHello of TLS", append([]byte{22, 3, 3, 0, 50, 2, 0, 0, 46, 3, 3}, make([]byte, 44)...)),
	everyFinish("version DTLS 1.0 under keys", stalled, func(s *Server, r *Record) { r.Damage = func(b []byte) []byte { b[2] = 0xff; return b } }),
	everyFinish("number changed behind the seal", stalled, func(_ *Server, r *Record) { r.Damage = func(b []byte) []byte { b[10]++; return b } }),
	everyFinish("content changed behind the seal", stalled, func(_ *Server, r *Record) { r.Damage = func(b []byte) []byte { b[0] = ContentData; return b } }),
	everyFinish("a bit of the nonce changed", stalled, func(_ *Server, r *Record) { r.Damage = func(b []byte) []byte { b[13] ^= 1; return b } }),
	everyFinish("a bit of the tag changed", stalled, func(_ *Server, r *Record) { r.Damage = func(b []byte) []byte { b[len(b)-1] ^= 1; return b } }),
	everyFinish("the tag cut", stalled, func(_ *Server, r *Record) {
		r.Damage = func(b []byte) []byte { b[12] -= 4; return b[:len(b)-4] }
	}),
	everyFinish("epoch 2", stalled, func(_ *Server, r *Record) { r.Epoch = 2 }),
	everyFinish("epoch 0", stalled, func(_ *Server, r *Record) { r.Epoch = 0 }),
	everyFinish("sealed with the client's keys", stalled, func(s *Server, r *Record) { r.Keys = s.read }),
	everyFinish("sealed with nobody's keys", stalled, func(s *Server, r *Record) { r.Keys = strayKeys(s.cfg.Rand) }),
	everyFinish("not sealed at all", stalled, func(_ *Server, r *Record) { r.Keys = nil }),
	everyFinish("sealed twice", refuse(AlertDecodeError), func(_ *Server, r *Record) { r.Payload = r.seal() }),
	everyFinish("number far ahead", ignored, func(s *Server, r *Record) { r.Number, s.clock[1] = 1<<47, 1<<47+1 }),
	everyFinish("cut within its nonce", stalled, func(_ *Server, r *Record) { r.Damage = func(b []byte) []byte { b[12] = 5; return b[:18] } }),
	everyFinish("empty and well sealed", stalled, func(_ *Server, r *Record) { r.Payload = nil }),
)

// everyFinish changes the sealed records of the flight with the Finished.
func everyFinish(name string, want Want, f func(*Server, *Record)) []Deviation {
	return deviate("sealed record: "+name, want, sealedRecords(func(s *Server, all []*Record) []*Record {
		for _, r := range all {
			if r.Epoch == 1 {
				f(s, r)
			}
		}
		return all
	}), FamilyPSK, FamilyECDSA, FamilyResume)
}

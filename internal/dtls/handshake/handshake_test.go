package handshake

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// fragments cuts a message at the given lengths.
func fragments(m Message, lengths ...int) (all []Fragment) {
	offset := 0
	for _, n := range lengths {
		f, rest, ok := NextFragment(m.AppendFragment(nil, offset, n))
		if !ok || len(rest) > 0 {
			panic("a fragment that was just made is none")
		}
		all = append(all, f)
		offset += n
	}
	return all
}

func message(kind Type, sequence uint16, size int) Message {
	m := Message{Type: kind, Sequence: sequence, Body: make([]byte, size)}
	for i := range m.Body {
		m.Body[i] = byte(i*7 + int(sequence))
	}
	return m
}

// Whatever the borders, the overlap, the order and the repetitions: what was
// cut is what comes together, as soon as every byte is there and not before.
func TestInboxPutsFragmentsTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := message(TypeCertificate, uint16(rapid.IntRange(0, inboxMessages-1).Draw(t, "sequence")), rapid.IntRange(0, 500).Draw(t, "size"))
		var box Inbox
		missing := map[int]bool{}
		for i := range m.Body {
			missing[i] = true
		}
		whole := func() bool {
			got, ok := box.Message(int(m.Sequence))
			return ok && bytes.Equal(got.Body, m.Body) && got.Type == m.Type
		}
		for step := 0; !whole(); step++ {
			offset := rapid.IntRange(0, len(m.Body)).Draw(t, "offset")
			length := rapid.IntRange(0, len(m.Body)-offset).Draw(t, "length")
			if step > 40 { // enough of chance: the rest in one piece
				offset, length = 0, len(m.Body)
			}
			f, _, _ := NextFragment(m.AppendFragment(nil, offset, length))
			news := len(m.Body) == 0
			for i := offset; i < offset+length; i++ {
				news = news || missing[i]
				delete(missing, i)
			}
			if got := box.Add(f); got != news {
				t.Fatalf("fragment %d+%d: news %v, want %v", offset, length, got, news)
			}
			if whole() != (len(missing) == 0) {
				t.Fatalf("%d bytes are missing, whole: %v", len(missing), whole())
			}
		}
		if box.Contradicted() {
			t.Error("contradicted")
		}
	})
}

// Pieces that contradict each other: the newer one counts, and a whole sending
// of the message heals everything.
func TestNewerPiecesCount(t *testing.T) {
	genuine := message(TypeServerHello, 1, 90)
	for name, forged := range map[string]Fragment{
		"another length": fragments(message(TypeServerHello, 1, 91), 30)[0],
		"another type":   fragments(message(TypeCertificate, 1, 90), 30)[0],
		"other bytes":    {Type: TypeServerHello, Length: 90, Sequence: 1, Offset: 20, Data: []byte("forged")},
	} {
		parts := fragments(genuine, 25, 40, 25)
		for at := range len(parts) + 1 {
			var box Inbox
			for _, f := range slices.Insert(slices.Clone(parts), at, forged) {
				box.Add(f)
			}
			for _, f := range parts { // sent again, once
				box.Add(f)
			}
			got, ok := box.Message(1)
			if !ok || got.Type != TypeServerHello || !bytes.Equal(got.Body, genuine.Body) || !box.Contradicted() {
				t.Errorf("%s before part %d: whole %v, contradicted %v", name, at, ok, box.Contradicted())
			}
		}
		var box Inbox
		box.Add(forged)
		box.Add(fragments(genuine, 90)[0])
		if got, ok := box.Message(1); !ok || !bytes.Equal(got.Body, genuine.Body) {
			t.Errorf("%s ahead of the whole message: it is not there", name)
		}
	}
}

func TestInboxIsBounded(t *testing.T) {
	var box Inbox
	for name, f := range map[string]Fragment{
		"16 MiB":               {Type: TypeCertificate, Length: 1<<24 - 1, Data: []byte("x")},
		"certificates":         {Type: TypeCertificate, Length: MaxCertificates + 1, Data: []byte("x")},
		"a hello":              {Type: TypeServerHello, Length: maxOther + 1, Data: []byte("x")},
		"a number too far off": {Type: TypeServerHello, Length: 1, Sequence: inboxMessages, Data: []byte("x")},
		"an empty piece":       {Type: TypeServerHello, Length: 9},
	} {
		if box.Add(f) || box.Partial(int(f.Sequence)) {
			t.Errorf("%s was taken", name)
		}
	}
	taken := 0
	for n := range uint16(inboxMessages) {
		if box.Add(Fragment{Type: TypeCertificate, Length: MaxCertificates, Sequence: n, Data: []byte("x")}) {
			taken += MaxCertificates
		}
	}
	if taken > inboxBytes {
		t.Errorf("%d bytes are held, more than %d", taken, inboxBytes)
	}
	if box.Add(Fragment{Type: TypeServerHello, Length: maxOther, Sequence: 0, Data: []byte("x")}); box.bytes > inboxBytes {
		t.Errorf("%d bytes after a replacement", box.bytes)
	}
}

// The work for a datagram of empty pieces is that of finding them.
func TestEmptyPiecesCostNothing(t *testing.T) {
	var content []byte
	m := message(TypeServerHello, 0, 100)
	for range 600 {
		content = m.AppendFragment(content, 50, 0)
	}
	var box Inbox
	allocations := testing.AllocsPerRun(10, func() {
		for rest := content; len(rest) > 0; {
			f, tail, ok := NextFragment(rest)
			if !ok {
				t.Fatal("not a fragment")
			}
			box.Add(f)
			rest = tail
		}
	})
	if allocations != 0 || box.Partial(0) {
		t.Errorf("%v allocations, something held: %v", allocations, box.Partial(0))
	}
}

func TestFragmentsThatLie(t *testing.T) {
	good := message(TypeServerHello, 1, 20).AppendFragment(nil, 5, 10)
	for name, change := range map[string]func(b []byte) []byte{
		"beyond its message": func(b []byte) []byte { b[8] = 11; return b },
		"beyond its record":  func(b []byte) []byte { b[11] = 11; return b },
		"cut":                func(b []byte) []byte { return b[:len(b)-1] },
		"a piece of a head":  func(b []byte) []byte { return b[:HeaderSize-1] },
		"nothing":            func([]byte) []byte { return nil },
	} {
		if f, _, ok := NextFragment(change(slices.Clone(good))); ok {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// What is composed for a client is read back by what reads a server's, where
// the forms are the same; every prefix and every extension of it is malformed.
func TestForms(t *testing.T) {
	body := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	hello := body([]byte{0xfe, 0xfd}, make([]byte, 32), []byte{2, 7, 8, 0xc0, 0xa8, 0})
	extensions := []byte{0, 9, 0, 23, 0, 0, 0xff, 1, 0, 1, 0}
	for name, test := range map[string]struct {
		good  []byte
		read  func([]byte) error
		loose []int // lengths that are well-formed too
	}{
		"ServerHello": {body(hello, extensions), func(b []byte) error { _, err := ReadServerHello(b); return err }, []int{len(hello)}},
		"HelloVerifyRequest": {[]byte{0xfe, 0xff, 3, 1, 2, 3},
			func(b []byte) error { _, err := ReadHelloVerifyRequest(b); return err }, nil},
		"Certificate":    {Certificates([][]byte{{1, 2}, {3}}), func(b []byte) error { _, err := ReadCertificates(b); return err }, nil},
		"raw public key": {RawPublicKey([]byte{1, 2, 3}), func(b []byte) error { _, err := ReadRawPublicKey(b); return err }, nil},
		"ServerKeyExchange": {body([]byte{3, 0, 23, 3, 4, 5, 6, 4, 3, 0, 2, 8, 9}),
			func(b []byte) error { _, err := ReadServerKeyExchange(b); return err }, nil},
		"identity hint": {Identity([]byte("hint")), func(b []byte) error { _, err := ReadIdentityHint(b); return err }, nil},
		"CertificateRequest": {[]byte{1, 64, 0, 2, 4, 3, 0, 4, 0, 2, 0x30, 0},
			func(b []byte) error { _, err := ReadCertificateRequest(b); return err }, nil},
	} {
		if err := test.read(test.good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for end := range test.good {
			var format *FormatError
			if err := test.read(test.good[:end]); !slices.Contains(test.loose, end) && !errors.As(err, &format) {
				t.Errorf("%s, %d bytes of %d: %v", name, end, len(test.good), err)
			}
		}
		if test.read(append(slices.Clone(test.good), 0)) == nil {
			t.Errorf("%s with a byte too many is taken", name)
		}
	}
}

func TestMalformedMessages(t *testing.T) {
	hello := func(tail ...byte) []byte {
		return append(append([]byte{0xfe, 0xfd}, make([]byte, 32)...), tail...)
	}
	elevenCertificates := Certificates(slices.Repeat([][]byte{{1}}, MaxChain+1))
	for name, err := range map[string]error{
		"session ID of 33 bytes":        second(ReadServerHello(hello(append(append([]byte{33}, make([]byte, 33)...), 0xc0, 0xa8, 0)...))),
		"an extension twice":            second(ReadServerHello(hello(0, 0xc0, 0xa8, 0, 0, 8, 0, 23, 0, 0, 0, 23, 0, 0))),
		"33 extensions":                 second(ReadServerHello(hello(append([]byte{0, 0xc0, 0xa8, 0, 0, 132}, manyExtensions(33)...)...))),
		"HelloVerifyRequest of TLS":     second(ReadHelloVerifyRequest([]byte{3, 3, 0})),
		"11 certificates":               second(ReadCertificates(elevenCertificates)),
		"an empty certificate":          second(ReadCertificates([]byte{0, 0, 3, 0, 0, 0})),
		"an empty raw key":              second(ReadRawPublicKey([]byte{0, 0, 0})),
		"explicit curve":                second(ReadServerKeyExchange([]byte{1, 0, 23, 1, 4, 4, 3, 0, 1, 9})),
		"empty point":                   second(ReadServerKeyExchange([]byte{3, 0, 23, 0, 4, 3, 0, 1, 9})),
		"empty signature":               second(ReadServerKeyExchange([]byte{3, 0, 23, 1, 4, 4, 3, 0, 0})),
		"no certificate types":          second(ReadCertificateRequest([]byte{0, 0, 2, 4, 3, 0, 0})),
		"no schemes":                    second(ReadCertificateRequest([]byte{1, 64, 0, 0, 0, 0})),
		"an odd number of scheme bytes": second(ReadCertificateRequest([]byte{1, 64, 0, 3, 4, 3, 4, 0, 0})),
		"an empty authority":            second(ReadCertificateRequest([]byte{1, 64, 0, 2, 4, 3, 0, 2, 0, 0})),
	} {
		var format *FormatError
		if !errors.As(err, &format) || format.Error() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func manyExtensions(n int) (list []byte) {
	for i := range n {
		list = append(list, 1, byte(i), 0, 0)
	}
	return list
}

func TestTypeNames(t *testing.T) {
	if got := TypeServerHelloDone.String() + ", " + Type(99).String(); got != "ServerHelloDone, message type 99" {
		t.Errorf("got %q", got)
	}
}

// No reader reads beyond its input, and what it returns lies within.
func FuzzRead(f *testing.F) {
	f.Add(append(append([]byte{0xfe, 0xfd}, make([]byte, 32)...), 0, 0xc0, 0xa8, 0, 0, 4, 0, 23, 0, 0))
	f.Add(Certificates([][]byte{{1, 2}, {3}}))
	f.Add([]byte{3, 0, 23, 3, 4, 5, 6, 4, 3, 0, 2, 8, 9})
	f.Add([]byte{1, 64, 0, 2, 4, 3, 0, 4, 0, 2, 0x30, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		if h, err := ReadServerHello(body); err == nil && (len(h.Random) != RandomSize || len(h.Extensions) > maxExtensions) {
			t.Errorf("%+v", h)
		}
		if chain, err := ReadCertificates(body); err == nil && !bytes.Equal(Certificates(chain), body) {
			t.Errorf("%x is read as %x", body, chain)
		}
		if key, err := ReadRawPublicKey(body); err == nil && !bytes.Equal(RawPublicKey(key), body) {
			t.Errorf("%x is read as %x", body, key)
		}
		if k, err := ReadServerKeyExchange(body); err == nil && !bytes.HasPrefix(body, k.Params) {
			t.Errorf("%+v", k)
		}
		if hint, err := ReadIdentityHint(body); err == nil && !bytes.Equal(Identity(hint), body) {
			t.Errorf("%x is read as %x", body, hint)
		}
		_, _ = ReadCertificateRequest(body)
		_, _ = ReadHelloVerifyRequest(body)
	})
}

func FuzzInbox(f *testing.F) {
	m := message(TypeServerHello, 1, 40)
	f.Add(m.Append(nil))
	f.Add(m.AppendFragment(m.AppendFragment(nil, 20, 20), 0, 25))
	f.Fuzz(func(t *testing.T, content []byte) {
		var box Inbox
		for rest := content; len(rest) > 0; {
			fragment, tail, ok := NextFragment(rest)
			if !ok {
				break
			}
			box.Add(fragment)
			held := 0
			for i := range box.messages {
				held += len(box.messages[i].body)
			}
			if held != box.bytes || held > inboxBytes {
				t.Fatalf("%d bytes are held, %d counted", held, box.bytes)
			}
			rest = tail
		}
		for n := range inboxMessages {
			if got, ok := box.Message(n); ok && !bytes.Contains(content, got.Body[:min(len(got.Body), 1)]) {
				t.Errorf("message %d has bytes that never came", n)
			}
		}
	})
}

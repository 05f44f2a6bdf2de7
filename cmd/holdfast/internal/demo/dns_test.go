package demo

import (
	"bytes"
	"context"
	"net"
	"testing"
)

func resolver(s *nameServer) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.address())
	}}
}

func TestNameServer(t *testing.T) {
	s, err := newNameServer("a.holdfast.test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	lookup := func(name string) bool {
		addrs, err := resolver(s).LookupNetIP(t.Context(), "ip", name)
		return err == nil && len(addrs) == 1 && addrs[0].Unmap() == loopback
	}
	if !lookup("a.holdfast.test") || !lookup("A.Holdfast.Test") || lookup("b.holdfast.test") {
		t.Error("wrong answers")
	}
	s.hide("a.holdfast.test")
	if lookup("a.holdfast.test") {
		t.Error("a hidden name has an address")
	}
	s.restore()
	if !lookup("a.holdfast.test") {
		t.Error("a restored name has no address")
	}
}

// FuzzAnswerQuery: no query makes the decoder panic, and every answer repeats
// the question.
func FuzzAnswerQuery(f *testing.F) {
	f.Add([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01"))
	f.Add([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x1c\x00\x01"))
	f.Add([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x3fa"))
	f.Add([]byte("\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, query []byte) {
		answer := answerQuery(query, func(name string) bool { return name == "a.test" })
		if answer == nil {
			return
		}
		q, ok := parseQuery(query)
		if !ok || !bytes.Equal(answer[:2], query[:2]) || !bytes.HasPrefix(answer[dnsHeaderLen:], q.raw) {
			t.Errorf("%x was answered %x", query, answer)
		}
	})
}

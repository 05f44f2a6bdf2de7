package accounts

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/testpki"
)

func newPair(t testing.TB, ca *testpki.Authority) Pair {
	t.Helper()
	leaf, err := ca.Issue(testpki.Request{Role: testpki.Client, CommonName: "gw-1"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := leaf.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	return Pair{Key: key, Chain: [][]byte{leaf.Cert.Raw, ca.Cert.Raw}}
}

func newEnrolled(t testing.TB) Enrolled {
	t.Helper()
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	next := newPair(t, ca)
	return Enrolled{Endpoint: "gw-1", Server: "coaps://h", Present: newPair(t, ca), Next: &next}
}

func TestEnrolledIsReadAsWritten(t *testing.T) {
	both := newEnrolled(t)
	one := both
	one.Next = nil
	for _, want := range []Enrolled{both, one} {
		data, err := EncodeEnrolled(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodeEnrolled(data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		if err := CheckRecord("enrolment-1", data); err != nil {
			t.Error(err)
		}
		if err := CheckRecord("enrolment-1", data[1:]); err == nil {
			t.Error("a damaged record passes")
		}
	}
}

func TestEnrolledRefuses(t *testing.T) {
	good := newEnrolled(t)
	change := func(f func(*Enrolled)) []byte {
		e := good
		f(&e)
		c := enrolledCBOR{Version: enrolledVersion, Endpoint: e.Endpoint, Server: e.Server, Present: pairOf(e.Present), Next: []pairCBOR{pairOf(*e.Next)}}
		data, err := encMode.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	crossed := Pair{Key: good.Next.Key, Chain: good.Present.Chain}
	for name, c := range map[string]struct {
		data []byte
		want EnrolledReason
	}{
		"nothing":        {nil, EnrolledMalformed},
		"too large":      {make([]byte, MaxEnrolled+1), EnrolledTooLarge},
		"no endpoint":    {change(func(e *Enrolled) { e.Endpoint = "" }), EnrolledContent},
		"no server":      {change(func(e *Enrolled) { e.Server = "" }), EnrolledContent},
		"another key":    {change(func(e *Enrolled) { e.Present = crossed }), EnrolledContent},
		"another next":   {change(func(e *Enrolled) { e.Next = &crossed }), EnrolledContent},
		"no certificate": {change(func(e *Enrolled) { e.Present.Chain = nil }), EnrolledContent},
		"no DER":         {change(func(e *Enrolled) { e.Present.Chain = [][]byte{good.Present.Chain[0], {1}} }), EnrolledContent},
	} {
		if _, err := DecodeEnrolled(c.data); !reflect.DeepEqual(err, error(&EnrolledError{c.want})) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := good
	bad.Present = crossed
	if _, err := EncodeEnrolled(bad); err == nil {
		t.Error("what cannot be read is written")
	}
}

// FuzzDecodeEnrolled holds that what is read is written in the same bytes again.
func FuzzDecodeEnrolled(f *testing.F) {
	data, err := EncodeEnrolled(newEnrolled(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{0x85, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEnrolled(data)
		if err != nil {
			if _, ok := errors.AsType[*EnrolledError](err); !ok {
				t.Fatalf("%T", err)
			}
			return
		}
		if again, err := EncodeEnrolled(e); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("another record: %v", err)
		}
	})
}

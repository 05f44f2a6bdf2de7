package linkwatch

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"syscall"
	"testing"
)

var order = binary.NativeEndian

// message builds a message of the kernel's.
func message(kind, flags uint16, body ...[]byte) []byte {
	m := make([]byte, lengthHeader)
	for _, part := range body {
		m = append(m, part...)
	}
	order.PutUint32(m, uint32(len(m)))
	order.PutUint16(m[4:], kind)
	order.PutUint16(m[6:], flags)
	return append(m, make([]byte, align(len(m))-len(m))...)
}

func attribute(kind uint16, value []byte) []byte {
	a := make([]byte, lengthAttr, lengthAttr+len(value)+3)
	order.PutUint16(a, uint16(lengthAttr+len(value)))
	order.PutUint16(a[2:], kind)
	a = append(a, value...)
	return append(a, make([]byte, align(len(a))-len(a))...)
}

func number(n uint32) []byte { return order.AppendUint32(nil, n) }

func linkBody(index, flags uint32) []byte {
	b := make([]byte, lengthLink)
	order.PutUint32(b[4:], index)
	order.PutUint32(b[8:], flags)
	return b
}

func addrBody(family, bits, flags byte, index uint32) []byte {
	return append([]byte{family, bits, flags, 0}, number(index)...)
}

func routeBody(family, bits, table, kind byte) []byte {
	return append([]byte{family, bits, 0, 0, table, 0, 0, kind}, number(0)...)
}

func hop(index uint32) []byte {
	h := make([]byte, lengthHop)
	order.PutUint16(h, lengthHop)
	order.PutUint32(h[4:], index)
	return h
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

var four, six = ip("192.0.2.5"), ip("2001:db8::5")

var decoded = []struct {
	name     string
	datagram []byte
	want     []any
}{
	{"link", message(msgNewLink, 0, linkBody(2, iffUp|iffRunning), attribute(attrLinkName, []byte("eth0\x00"))),
		[]any{Link{Index: 2, Name: "eth0", Up: true, Running: true}}},
	{"link without carrier", message(msgNewLink, 0, linkBody(2, iffUp), attribute(99, []byte{1}), attribute(attrLinkName, []byte("eth0\x00"))),
		[]any{Link{Index: 2, Name: "eth0", Up: true}}},
	{"loopback gone", message(msgDelLink, 0, linkBody(1, iffLoopback), attribute(attrLinkName, []byte("lo\x00"))),
		[]any{Link{Index: 1, Name: "lo", Loopback: true, Gone: true}}},
	{"link without a name", message(msgNewLink, 0, linkBody(2, iffUp)), nil},
	{"name without an end", message(msgNewLink, 0, linkBody(2, iffUp), attribute(attrLinkName, []byte("eth0"))), nil},
	{"name too long", message(msgNewLink, 0, linkBody(2, iffUp), attribute(attrLinkName, []byte("0123456789abcdef\x00"))), nil},
	{"address", message(msgNewAddr, 0, addrBody(familyIPv4, 24, 0, 2), attribute(attrAddress, four.AsSlice())),
		[]any{Address{Index: 2, Addr: four}}},
	{"address of a tunnel", message(msgNewAddr, 0, addrBody(familyIPv4, 32, 0, 3), attribute(attrAddress, ip("192.0.2.1").AsSlice()), attribute(attrLocal, four.AsSlice())),
		[]any{Address{Index: 3, Addr: four}}},
	{"address gone", message(msgDelAddr, 0, addrBody(familyIPv6, 64, 0, 2), attribute(attrAddress, six.AsSlice())),
		[]any{Address{Index: 2, Addr: six, Gone: true}}},
	{"tentative", message(msgNewAddr, 0, addrBody(familyIPv6, 64, addrTentative, 2), attribute(attrAddress, six.AsSlice())),
		[]any{Address{Index: 2, Addr: six, Pending: true}}},
	{"optimistic", message(msgNewAddr, 0, addrBody(familyIPv6, 64, addrTentative|addrOptimistic, 2), attribute(attrAddress, six.AsSlice())),
		[]any{Address{Index: 2, Addr: six}}},
	{"deprecated by the long flags", message(msgNewAddr, 0, addrBody(familyIPv6, 64, 0, 2), attribute(attrAddress, six.AsSlice()), attribute(attrAddrFlags, number(addrDeprecated))),
		[]any{Address{Index: 2, Addr: six, Deprecated: true}}},
	{"duplicate", message(msgNewAddr, 0, addrBody(familyIPv6, 64, addrFailed, 2), attribute(attrAddress, six.AsSlice())),
		[]any{Address{Index: 2, Addr: six, Pending: true}}},
	{"address of another length", message(msgNewAddr, 0, addrBody(familyIPv4, 24, 0, 2), attribute(attrAddress, six.AsSlice())), nil},
	{"route", message(msgNewRoute, 0, routeBody(familyIPv4, 0, 254, routeUnicast), attribute(attrOut, number(2)), attribute(attrPriority, number(100))),
		[]any{Route{Indexes: []int{2}, Metric: 100}}},
	{"route gone", message(msgDelRoute, 0, routeBody(familyIPv6, 0, 254, routeUnicast), attribute(attrOut, number(2))),
		[]any{Route{Indexes: []int{2}, IPv6: true, Gone: true}}},
	{"route of two ways", message(msgNewRoute, 0, routeBody(familyIPv4, 0, 254, routeUnicast), attribute(attrMultipath, append(hop(2), hop(3)...))),
		[]any{Route{Indexes: []int{2, 3}}}},
	{"route to a network", message(msgNewRoute, 0, routeBody(familyIPv4, 24, 254, routeUnicast), attribute(attrOut, number(2))), nil},
	{"route of another kind", message(msgNewRoute, 0, routeBody(familyIPv4, 0, 254, 7), attribute(attrOut, number(2))), nil},
	{"route of the machine itself", message(msgNewRoute, 0, routeBody(familyIPv4, 0, 0, routeUnicast), attribute(attrOut, number(2)), attribute(attrTable, number(tableLocal))), nil},
	{"refused", message(msgError, 0, number(^uint32(0))), []any{Failed{syscall.EPERM}}}, // -1
	{"acknowledged", message(msgError, 0, number(0)), nil},
	{"done, interrupted", message(msgDone, flagInterrupted, number(0)), []any{Interrupted{}, Done{}}},
	{"overrun", message(msgOverrun, 0), []any{Interrupted{}}},
	{"two", append(message(msgDone, 0), message(msgDone, 0)...), []any{Done{}, Done{}}},
	{"unknown, then known", append(message(1000, 0, number(1)), message(msgDone, 0)...), []any{Done{}}},
	{"cut off", message(msgNewLink, 0, linkBody(2, iffUp), attribute(attrLinkName, []byte("eth0\x00")))[:30], nil},
	{"shorter than its header", append(number(8), make([]byte, 20)...), nil},
	{"nothing", nil, nil},
}

func TestDecode(t *testing.T) {
	for _, tt := range decoded {
		var got []any
		Decode(tt.datagram, func(m any) { got = append(got, m) })
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// Whatever comes is decoded within its bounds, and makes a state within its own.
func FuzzDecode(f *testing.F) {
	for _, tt := range decoded {
		f.Add(tt.datagram)
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		var s State
		n := 0
		Decode(datagram, func(m any) {
			n++
			if l, is := m.(Link); is && (l.Index <= 0 || l.Name == "" || len(l.Name) >= maxName) {
				t.Fatalf("%+v", l)
			}
			if a, is := m.(Address); is && (a.Index <= 0 || !a.Addr.IsValid()) {
				t.Fatalf("%+v", a)
			}
			if r, is := m.(Route); is && (len(r.Indexes) == 0 || len(r.Indexes) > maxHops+maxAttributes+maxHops*maxAttributes) {
				t.Fatalf("%+v", r)
			}
			s.Apply(m)
		})
		if n > 2*maxMessages || n > len(datagram)/4 {
			t.Fatalf("%d messages of %d bytes", n, len(datagram))
		}
		v := s.View()
		if v.Gains(v) || !v.Equal(v) {
			t.Fatalf("%+v differs from itself", v)
		}
	})
}

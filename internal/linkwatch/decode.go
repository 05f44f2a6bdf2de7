package linkwatch

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"syscall"
)

// Link says what an interface is like, or that there is none any more.
type Link struct {
	Index    int
	Name     string
	Up       bool // a person or a program has switched it on (IFF_UP)
	Running  bool // it can carry packets: there is a cable, or a network (IFF_RUNNING)
	Loopback bool
	Gone     bool
}

// Address is an address of an interface, or one that is gone.
type Address struct {
	Index int
	Addr  netip.Addr
	// Pending says that it may not be used, or not yet: another machine may have it
	// (RFC 4862 section 5.4).
	Pending bool
	// Deprecated says that what begins now should use another one (RFC 4862 section 5.5.4).
	Deprecated bool
	Gone       bool
}

// Route is a default route, or one that is gone. It may lead through several interfaces.
type Route struct {
	Indexes []int
	IPv6    bool
	Metric  uint32 // the lowest counts
	Gone    bool
}

// Failed is the kernel's refusal of what was asked.
type Failed struct{ Errno syscall.Errno }

// Done says that the answer to what was asked is complete.
type Done struct{}

// Interrupted says that something has changed while the kernel was answering: the answer
// may contradict itself.
type Interrupted struct{}

// Types and flags of messages (linux/netlink.h, linux/rtnetlink.h, linux/if_link.h,
// linux/if_addr.h), which the kernel never changes.
const (
	msgError    = 2  // NLMSG_ERROR
	msgDone     = 3  // NLMSG_DONE
	msgOverrun  = 4  // NLMSG_OVERRUN
	msgNewLink  = 16 // RTM_NEWLINK
	msgDelLink  = 17
	msgNewAddr  = 20
	msgDelAddr  = 21
	msgNewRoute = 24
	msgDelRoute = 25

	flagInterrupted = 0x10 // NLM_F_DUMP_INTR

	lengthHeader = 16 // struct nlmsghdr
	lengthLink   = 16 // struct ifinfomsg
	lengthAddr   = 8  // struct ifaddrmsg
	lengthRoute  = 12 // struct rtmsg
	lengthHop    = 8  // struct rtnexthop
	lengthAttr   = 4  // struct rtattr

	iffUp, iffLoopback, iffRunning = 0x1, 0x8, 0x40

	attrLinkName  = 3 // IFLA_IFNAME
	attrAddress   = 1 // IFA_ADDRESS
	attrLocal     = 2 // IFA_LOCAL
	attrAddrFlags = 8 // IFA_FLAGS

	addrFailed, addrDeprecated, addrTentative, addrOptimistic = 0x08, 0x20, 0x40, 0x04

	attrOut       = 4  // RTA_OIF
	attrPriority  = 6  // RTA_PRIORITY
	attrMultipath = 9  // RTA_MULTIPATH
	attrTable     = 15 // RTA_TABLE

	routeUnicast = 1     // RTN_UNICAST
	routeCloned  = 0x200 // RTM_F_CLONED
	tableLocal   = 255   // RT_TABLE_LOCAL

	familyIPv4, familyIPv6 = 2, 10 // AF_INET, AF_INET6 of Linux
)

// Bounds of what is taken from one datagram, and of a name (IFNAMSIZ).
const (
	maxMessages   = 4096
	maxAttributes = 256
	maxHops       = 64
	maxName       = 16
)

// Decode hands over the messages of one datagram of the kernel's that this package knows,
// each a [Link], an [Address], a [Route], a [Failed], an [Interrupted] or a [Done]. Of routes
// only default ones are handed over. What is cut off or contradicts itself is left out, and
// ends the datagram where nothing says where the next message begins. It reads at most 4096
// messages.
func Decode(datagram []byte, take func(message any)) {
	order := binary.NativeEndian
	for range maxMessages {
		if len(datagram) < lengthHeader {
			return
		}
		length := int(order.Uint32(datagram))
		if length < lengthHeader || length > len(datagram) {
			return
		}
		kind, flags := order.Uint16(datagram[4:]), order.Uint16(datagram[6:])
		if flags&flagInterrupted != 0 {
			take(Interrupted{})
		}
		if message := decodeMessage(kind, datagram[lengthHeader:length]); message != nil {
			take(message)
		}
		datagram = datagram[min(align(length), len(datagram)):]
	}
}

func align(n int) int { return (n + 3) &^ 3 }

// decodeMessage returns nil for what this package does not know, or cannot read.
func decodeMessage(kind uint16, body []byte) any {
	switch kind {
	case msgError:
		return decodeError(body)
	case msgDone:
		return Done{}
	case msgOverrun:
		return Interrupted{}
	case msgNewLink, msgDelLink:
		return decodeLink(body, kind == msgDelLink)
	case msgNewAddr, msgDelAddr:
		return decodeAddress(body, kind == msgDelAddr)
	case msgNewRoute, msgDelRoute:
		return decodeRoute(body, kind == msgDelRoute)
	}
	return nil
}

// decodeError reads a refusal; number 0 is the acknowledgement of what asks for one.
func decodeError(body []byte) any {
	if len(body) < 4 {
		return nil
	}
	number := int32(binary.NativeEndian.Uint32(body))
	if number >= 0 {
		return nil
	}
	return Failed{Errno: syscall.Errno(-int64(number))}
}

func decodeLink(body []byte, gone bool) any {
	if len(body) < lengthLink || body[0] != 0 { // of another family it is about a bridge's port
		return nil
	}
	order := binary.NativeEndian
	flags := order.Uint32(body[8:])
	l := Link{
		Index: int(int32(order.Uint32(body[4:]))), Gone: gone,
		Up: flags&iffUp != 0, Running: flags&iffRunning != 0, Loopback: flags&iffLoopback != 0,
	}
	attributes(body[lengthLink:], func(kind uint16, value []byte) {
		if name, _, ended := bytes.Cut(value, []byte{0}); kind == attrLinkName && ended && len(name) < maxName {
			l.Name = string(name)
		}
	})
	if l.Index <= 0 || l.Name == "" {
		return nil
	}
	return l
}

func decodeAddress(body []byte, gone bool) any {
	if len(body) < lengthAddr {
		return nil
	}
	order := binary.NativeEndian
	family, flags := body[0], uint32(body[2])
	a := Address{Index: int(int32(order.Uint32(body[4:]))), Gone: gone}
	var local netip.Addr
	attributes(body[lengthAddr:], func(kind uint16, value []byte) {
		switch kind {
		case attrAddress: // of a point-to-point interface it is that of the peer
			a.Addr = addressOf(family, value)
		case attrLocal:
			local = addressOf(family, value)
		case attrAddrFlags:
			if len(value) == 4 {
				flags = order.Uint32(value)
			}
		}
	})
	if local.IsValid() {
		a.Addr = local
	}
	if a.Index <= 0 || !a.Addr.IsValid() {
		return nil
	}
	a.Pending = flags&addrFailed != 0 || flags&addrTentative != 0 && flags&addrOptimistic == 0
	a.Deprecated = flags&addrDeprecated != 0
	return a
}

// addressOf returns an address of a family; an invalid one where it has another length.
func addressOf(family byte, value []byte) netip.Addr {
	addr, ok := netip.AddrFromSlice(value)
	if !ok || addr.Is4() != (family == familyIPv4) || addr.Is6() != (family == familyIPv6) || addr.IsUnspecified() {
		return netip.Addr{}
	}
	return addr
}

func decodeRoute(body []byte, gone bool) any {
	if len(body) < lengthRoute {
		return nil
	}
	order := binary.NativeEndian
	family, bits, table, kind, flags := body[0], body[1], uint32(body[4]), body[7], order.Uint32(body[8:])
	known := family == familyIPv4 || family == familyIPv6
	if !known || bits != 0 || kind != routeUnicast || flags&routeCloned != 0 {
		return nil
	}
	r := Route{IPv6: family == familyIPv6, Gone: gone}
	attributes(body[lengthRoute:], func(kind uint16, value []byte) {
		switch {
		case kind == attrMultipath:
			r.Indexes = append(r.Indexes, hops(value)...)
		case len(value) != 4:
		case kind == attrOut:
			r.Indexes = append(r.Indexes, int(int32(order.Uint32(value))))
		case kind == attrPriority:
			r.Metric = order.Uint32(value)
		case kind == attrTable:
			table = order.Uint32(value)
		}
	})
	if table == tableLocal || len(r.Indexes) == 0 {
		return nil
	}
	return r
}

// hops returns the interfaces of a route of several.
func hops(value []byte) (indexes []int) {
	order := binary.NativeEndian
	for len(value) >= lengthHop && len(indexes) < maxHops {
		length := int(order.Uint16(value))
		if length < lengthHop || length > len(value) {
			return indexes
		}
		indexes = append(indexes, int(int32(order.Uint32(value[4:]))))
		value = value[min(align(length), len(value)):]
	}
	return indexes
}

// attributes hands over the attributes of a message, at most 256.
func attributes(data []byte, take func(kind uint16, value []byte)) {
	order := binary.NativeEndian
	for range maxAttributes {
		if len(data) < lengthAttr {
			return
		}
		length := int(order.Uint16(data))
		if length < lengthAttr || length > len(data) {
			return
		}
		take(order.Uint16(data[2:])&0x3fff, data[lengthAttr:length]) // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
		data = data[min(align(length), len(data)):]
	}
}

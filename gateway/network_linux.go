package gateway

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// Types of interfaces (/sys/class/net/NAME/type, the kernel's if_arp.h).
const (
	arpEther      = "1"
	arpIEEE802154 = "804"
	arp6LoWPAN    = "825"
)

// bearer says what kind of network an interface leads to; false where the operating
// system does not know: of a modem it knows the bus.
func (m Machine) bearer(name string) (Bearer, bool) {
	folder := filepath.Join(m.Sys, "class", "net", name)
	device := deviceType(folder)
	switch kind := file(folder, "type"); {
	case device == "wlan" || exists(folder, "wireless") || exists(folder, "phy80211"):
		return BearerWLAN, true
	case device == "bluetooth":
		return BearerBluetooth, true
	case device == "wwan":
		return 0, false
	case kind == arpIEEE802154, kind == arp6LoWPAN:
		return BearerIEEE802154, true
	case kind == arpEther:
		return BearerEthernet, true
	}
	return 0, false
}

// deviceType is the DEVTYPE of an interface's uevent.
func deviceType(folder string) string {
	for line := range strings.Lines(file(folder, "uevent")) {
		if kind, found := strings.CutPrefix(strings.TrimSpace(line), "DEVTYPE="); found {
			return kind
		}
	}
	return ""
}

// hasModem reports whether an interface, or a port without one yet, is a modem's.
func (m Machine) hasModem() bool {
	class := filepath.Join(m.Sys, "class")
	if ports, err := os.ReadDir(filepath.Join(class, "wwan")); err == nil && len(ports) > 0 {
		return true
	}
	interfaces, _ := os.ReadDir(filepath.Join(class, "net"))
	return slices.ContainsFunc(interfaces, func(i os.DirEntry) bool {
		return deviceType(filepath.Join(class, "net", i.Name())) == "wwan"
	})
}

func exists(parts ...string) bool {
	_, err := os.Stat(filepath.Join(parts...))
	return err == nil
}

// route is a way out of the machine.
type route struct {
	name   string
	router netip.Addr
	metric uint32
}

// routes lists the default routes, those of IPv4 first.
func (m Machine) routes() (all []route) {
	if fs, err := procfs.NewFS(m.Proc); err == nil {
		lines, _ := fs.NetRoute()
		for _, l := range lines {
			if l.Destination == 0 && l.Mask == 0 && l.Flags&routeUp != 0 {
				all = append(all, route{l.Iface, hostOrder(l.Gateway), l.Metric})
			}
		}
	}
	return append(all, m.routes6()...)
}

// routeUp is RTF_UP of the kernel's route.h.
const routeUp = 1

// hostOrder reads an IPv4 address of /proc/net/route, which is a number in the order of
// the machine.
func hostOrder(n uint32) netip.Addr {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// routes6 reads /proc/net/ipv6_route: destination, prefix, source, prefix, next hop,
// metric, two counters, flags and the name, all but the last in hexadecimal digits.
func (m Machine) routes6() (all []route) {
	data, err := os.ReadFile(filepath.Join(m.Proc, "net", "ipv6_route"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) != 10 || f[1] != "00" || strings.Trim(f[0], "0") != "" || f[9] == "lo" {
			continue
		}
		router, metric := hexBytes(f[4]), hexBytes(f[5])
		if addr, ok := netip.AddrFromSlice(router); ok && len(metric) == 4 {
			all = append(all, route{f[9], addr, binary.BigEndian.Uint32(metric)})
		}
	}
	return all
}

func hexBytes(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

// defaultRoute is the interface of the default route with the lowest metric, one of
// IPv4 if there is any; "" for none.
func (m Machine) defaultRoute() (name string) {
	best := uint64(math.MaxUint64)
	for _, r := range m.routes() {
		cost := uint64(r.metric)
		if !r.router.Is4() {
			cost += 1 << 32
		}
		if cost < best {
			best, name = cost, r.name
		}
	}
	return name
}

// routers lists the next hops of an interface's default routes.
func (m Machine) routers(name string) (all []netip.Addr) {
	for _, r := range m.routes() {
		if r.name == name && !r.router.IsUnspecified() {
			all = append(all, r.router)
		}
	}
	return all
}

// traffic returns the counters of the interfaces but the loopback.
func (m Machine) traffic() (map[string]counters, bool) {
	fs, err := procfs.NewFS(m.Proc)
	if err != nil {
		return nil, false
	}
	devices, err := fs.NetDev()
	if err != nil {
		return nil, false
	}
	all := map[string]counters{}
	for name, d := range devices {
		if name != "lo" {
			all[name] = counters{tx: d.TxBytes, rx: d.RxBytes, packets: d.TxPackets + d.RxPackets}
		}
	}
	return all, true
}

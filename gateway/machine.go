package gateway

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Machine says where the values come from. The zero value is the machine that the
// program runs on; tests and containers have others.
type Machine struct {
	Proc string // of the proc file system; "/proc" when empty
	Sys  string // of the sys file system; "/sys" when empty
	Etc  string // of os-release and the time zone; "/etc" when empty
	// Bus is the D-Bus address of the bus that ModemManager is on, such as
	// "unix:path=/host/run/dbus/system_bus_socket"; the system's bus when empty. Of an
	// address only unix:path and unix:abstract are understood.
	Bus string
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// Interfaces lists the network interfaces and their addresses; nil for those of
	// the machine.
	Interfaces func() ([]Interface, error)

	// station says what a wireless interface receives; nil for the kernel's word.
	station func(context.Context, string) (radio, bool)
}

// Interface is a network interface.
type Interface struct {
	Name      string
	Up        bool
	Loopback  bool
	Addresses []netip.Addr
}

// orDefault fills in what is not said.
func (m Machine) orDefault() Machine {
	for path, standard := range map[*string]string{&m.Proc: "/proc", &m.Sys: "/sys", &m.Etc: "/etc"} {
		if *path == "" {
			*path = standard
		}
	}
	if m.Now == nil {
		m.Now = time.Now
	}
	if m.Interfaces == nil {
		m.Interfaces = interfaces
	}
	if m.station == nil {
		m.station = nl80211
	}
	return m
}

// interfaces lists those of the machine.
func interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	found := make([]Interface, 0, len(all))
	for _, i := range all {
		found = append(found, Interface{
			Name: i.Name, Up: i.Flags&net.FlagUp != 0, Loopback: i.Flags&net.FlagLoopback != 0, Addresses: addresses(i),
		})
	}
	return found, nil
}

// addresses lists those of an interface; one that has just gone has none.
func addresses(i net.Interface) (found []netip.Addr) {
	all, _ := i.Addrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				found = append(found, addr.Unmap())
			}
		}
	}
	return found
}

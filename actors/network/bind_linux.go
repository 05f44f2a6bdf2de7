package network

import (
	"errors"
	"net/netip"
	"os"
	"syscall"

	"github.com/holdfast-iot/holdfast/internal/uplink"
)

// bind has everything that a socket sends leave through an interface. Kernels before 5.7
// allow that to root only: there the socket gets the interface's address, by which the peer
// answers to it, and the routes decide.
func bind(fd int, to uplink.Binding, peer netip.Addr) error {
	err := syscall.BindToDevice(fd, to.Name)
	if !errors.Is(err, syscall.EPERM) {
		return os.NewSyscallError("setsockopt", err)
	}
	return bindAddress(fd, to, peer)
}

// bindAddress gives a socket the address of an interface, and an ephemeral port.
func bindAddress(fd int, to uplink.Binding, peer netip.Addr) error {
	return os.NewSyscallError("bind", syscall.Bind(fd, socketAddress(to.Address(peer))))
}

// socketAddress is an address with an ephemeral port. Without an address of the peer's
// family it is any: the kernel says then that the peer cannot be reached.
func socketAddress(addr netip.Addr) syscall.Sockaddr {
	if addr.Is4() {
		return &syscall.SockaddrInet4{Addr: addr.As4()}
	}
	return &syscall.SockaddrInet6{Addr: addr.WithZone("").As16()}
}

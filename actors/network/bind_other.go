//go:build !linux

package network

import (
	"errors"
	"net/netip"

	"github.com/holdfast-iot/holdfast/internal/uplink"
)

// bind is for Linux: a configuration that names interfaces is refused elsewhere.
func bind(int, uplink.Binding, netip.Addr) error { return errors.ErrUnsupported }

//go:build !linux

package gateway

import (
	"context"
	"net/netip"
	"time"
)

// identity is what the machine says of itself, which Go does not know.
func (m Machine) identity() identity { return identity{} }

// zone is the name of a time zone. Go knows it, but for that of the machine.
func (m Machine) zone(l *time.Location) string {
	if l == time.Local {
		return ""
	}
	return l.String()
}

// memory, storage and supplies are unknown.
func (m Machine) memory() (total, free uint64, ok bool) { return 0, 0, false }

func storage(string) (total, free uint64, ok bool) { return 0, 0, false }

func (m Machine) supplies() []supply { return nil }

// Of radio it knows nothing.
func (m Machine) wireless(ctx context.Context, name string) (radio, bool) {
	return m.station(ctx, name)
}

func nl80211(context.Context, string) (radio, bool) { return radio{}, false }

func (m Machine) modems() func(context.Context) []modem {
	return func(context.Context) []modem { return nil }
}

// What kind of network an interface leads to, and its routes, Go does not know.
func (m Machine) bearer(string) (Bearer, bool)         { return 0, false }
func (m Machine) defaultRoute() string                 { return "" }
func (m Machine) routers(string) []netip.Addr          { return nil }
func (m Machine) hasModem() bool                       { return false }
func (m Machine) traffic() (map[string]counters, bool) { return nil, false }

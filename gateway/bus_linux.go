package gateway

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
)

// systemBus is where the system's message bus is, unless the environment says otherwise
// (D-Bus Specification, Well-known Message Bus Instances).
const systemBus = "unix:path=/var/run/dbus/system_bus_socket"

// errBus says that an address of a bus is none that can be used here.
var errBus = errors.New("gateway: the bus has no address of the form unix:path=PATH or unix:abstract=NAME")

// modems asks ModemManager on the system's bus.
func (m Machine) modems() func(context.Context) []modem {
	return newModemManager(func(ctx context.Context) (net.Conn, error) {
		return dialBus(ctx, cmp.Or(m.Bus, os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"), systemBus))
	}).modems
}

// dialBus connects to the first of the bus's addresses that can be reached.
func dialBus(ctx context.Context, addresses string) (net.Conn, error) {
	err := errBus
	for address := range strings.SplitSeq(addresses, ";") {
		path, ok := socketOf(address)
		if !ok {
			continue
		}
		var conn net.Conn
		if conn, err = (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// socketOf is the name of the socket that an address stands for; an abstract one begins
// with @, as Go has it.
func socketOf(address string) (string, bool) {
	options, unix := strings.CutPrefix(address, "unix:")
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		path, err := url.PathUnescape(value)
		switch {
		case !unix || err != nil || path == "":
		case key == "path":
			return path, true
		case key == "abstract":
			return "@" + path, true
		}
	}
	return "", false
}

// greet makes a connection one to the bus. It ends with the context's deadline, whatever
// the other side does: the library waits for a greeting without end.
func greet(ctx context.Context, conn net.Conn) (*dbus.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	bus, err := dbus.NewConn(conn, dbus.WithContext(ctx))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if err = bus.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err == nil {
		err = bus.Hello()
	}
	if err != nil {
		_ = bus.Close()
		return nil, err
	}
	return bus, nil
}

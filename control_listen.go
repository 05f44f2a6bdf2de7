package holdfast

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// controlUnix begins the address of a unix socket.
const controlUnix = "unix:"

const (
	controlSocketMode fs.FileMode = 0o600
	// controlMaxPath is the longest path of a socket that every system takes,
	// in bytes.
	controlMaxPath = 103
	// controlProbe bounds the look whether somebody listens on a socket.
	controlProbe = time.Second
)

// controlProblem says what is wrong with control.listen, or "". Whoever reaches
// the API can stop the client: it is for this machine alone.
func controlProblem(address string) string {
	if path, unix := strings.CutPrefix(address, controlUnix); unix {
		return controlPathProblem(path)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "is neither unix:/path nor host:port, such as unix:/run/holdfast.sock or 127.0.0.1:8080"
	}
	if !isLoopback(host) {
		return "is not on loopback: use localhost, 127.0.0.1 or [::1], or a unix socket"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "has no port from 0 to 65535"
	}
	return ""
}

func controlPathProblem(path string) string {
	switch {
	case !filepath.IsAbs(path) || strings.HasSuffix(path, "/"):
		return "names no absolute path after unix:"
	case strings.ContainsRune(path, 0):
		return "has a zero byte"
	case len(path) > controlMaxPath:
		return "names a path of more than " + strconv.Itoa(controlMaxPath) + " bytes, which no socket can have"
	}
	return ""
}

// isLoopback accepts names of this machine that need no resolver.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && addr.IsLoopback()
}

// controlListen opens a valid address.
func controlListen(address string) (net.Listener, error) {
	if path, unix := strings.CutPrefix(address, controlUnix); unix {
		return controlListenUnix(path)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "localhost" { // whatever a resolver says
		host = "127.0.0.1"
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

// controlListenUnix makes a socket that only this user can connect to. The mode
// is set before the socket has a name where the system takes it from there, and
// after it for those that do not.
func controlListenUnix(path string) (net.Listener, error) {
	if err := controlClear(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(controlPrivate)
	}}
	listener, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, controlSocketMode); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// Reasons not to take a path for the socket.
var (
	errSocketInUse = errors.New("another process listens there")
	errNotSocket   = errors.New("a file that is no socket stands there")
)

// controlClear removes the socket that a process has left behind that did not
// end in order. One that somebody listens on, and any other file, stays.
func controlClear(path string) error {
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("its directory cannot be used: %w", err)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errNotSocket
	}
	conn, err := net.DialTimeout("unix", path, controlProbe)
	if err == nil {
		_ = conn.Close()
		return errSocketInUse
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

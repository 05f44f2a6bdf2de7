package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-iot/holdfast/internal/localaddr"
)

const (
	socketMode      fs.FileMode = 0o600
	groupSocketMode fs.FileMode = 0o660
	// probeTimeout bounds the look whether somebody listens on a socket.
	probeTimeout = time.Second
)

// listen opens a valid address. A unix socket belongs to a group, where one is
// given.
func listen(address, group string) (net.Listener, error) {
	if path, unix := strings.CutPrefix(address, localaddr.Unix); unix {
		return listenUnix(path, group)
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

// listenUnix makes a socket that only this user and a group can connect to. The mode
// is set before the socket has a name where the system takes it from there, and
// after it for those that do not.
func listenUnix(path, group string) (net.Listener, error) {
	if err := clearPath(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(makePrivate)
	}}
	listener, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := share(path, group); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// share sets the mode of a socket, and the group before it: until then, nobody
// else can connect.
func share(path, group string) error {
	if group == "" {
		return os.Chmod(path, socketMode)
	}
	gid, problem := localaddr.Group(group)
	if problem != "" { // it was there when the configuration was checked
		return fmt.Errorf("control.group %s", problem)
	}
	if err := os.Chown(path, -1, gid); err != nil {
		return fmt.Errorf("the socket cannot be given to the group %s of control.group, which takes a member of it, or root: %w", group, err)
	}
	return os.Chmod(path, groupSocketMode)
}

// Reasons not to take a path for the socket.
var (
	errSocketInUse = errors.New("another process listens there")
	errNotSocket   = errors.New("a file that is no socket stands there")
)

// clearPath removes the socket that a process has left behind that did not
// end in order. One that somebody listens on, and any other file, stays.
func clearPath(path string) error {
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
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	if err == nil {
		_ = conn.Close()
		return errSocketInUse
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

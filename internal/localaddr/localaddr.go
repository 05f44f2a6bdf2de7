// Package localaddr is about the addresses on which a client answers: those that
// only programs on the same machine can reach, unix sockets and ports on loopback,
// and that of its metrics, which may be any.
package localaddr

import (
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Unix begins the address of a unix socket: "unix:/run/gw.sock".
const Unix = "unix:"

// maxPath is the longest path of a socket that every system takes, in bytes.
const maxPath = 103

// Problem says what is wrong with an address, in words that follow the name of
// what it was given for, or returns "".
func Problem(address string) string {
	if path, unix := strings.CutPrefix(address, Unix); unix {
		return pathProblem(path)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "is neither unix:/path nor host:port, such as unix:/run/holdfast.sock or 127.0.0.1:8080"
	}
	if !IsLoopback(host) {
		return "is not on loopback: use localhost, 127.0.0.1 or [::1], or a unix socket"
	}
	return portProblem(port)
}

func pathProblem(path string) string {
	switch {
	case !filepath.IsAbs(path) || strings.HasSuffix(path, "/"):
		return "names no absolute path after unix:"
	case strings.ContainsRune(path, 0):
		return "has a zero byte"
	case len(path) > maxPath:
		return "names a path of more than " + strconv.Itoa(maxPath) + " bytes, which no socket can have"
	}
	return ""
}

// IsLoopback accepts names of this machine that need no resolver.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && addr.IsLoopback()
}

package localaddr

import (
	"net"
	"strconv"
	"strings"
)

// Addresses is where a client answers programs and people on its machine, and
// scrapers of its metrics: the section control of a configuration.
type Addresses struct {
	Listen  string // of the control API
	Group   string // that the unix sockets belong to
	Metrics string // of metrics and health
}

// Fault is what is wrong with one of them.
type Fault struct{ Key, Problem string }

// Faults returns what is wrong with the addresses, without a look at the machine.
func (a Addresses) Faults() []Fault {
	var faults []Fault
	add := func(key, problem string) {
		if problem != "" {
			faults = append(faults, Fault{"control." + key, problem})
		}
	}
	if a.Listen != "" {
		add("listen", Problem(a.Listen))
	}
	add("group", a.groupProblem())
	add("metrics", a.metricsProblem())
	return faults
}

func (a Addresses) groupProblem() string {
	if a.Group == "" || IsUnix(a.Listen) || IsUnix(a.Metrics) {
		return ""
	}
	if a.Listen != "" && Problem(a.Listen) != "" || a.metricsProblem() != "" {
		return "" // which has been said, and may be a socket's address with a mistake in it
	}
	return "has no unix socket to own: give control.listen or control.metrics as unix:/path"
}

// metricsProblem takes addresses of the network too: there is nothing to be
// steered behind this one.
func (a Addresses) metricsProblem() string {
	switch path, unix := strings.CutPrefix(a.Metrics, Unix); {
	case a.Metrics == "":
		return ""
	case a.Metrics == a.Listen && !strings.HasSuffix(a.Metrics, ":0"): // port 0 is another one each time
		return "is control.listen: give it an address of its own, or leave it out, as control.listen has the metrics too"
	case unix:
		return pathProblem(path)
	}
	_, port, err := net.SplitHostPort(a.Metrics)
	if err != nil {
		return "is neither unix:/path nor host:port, such as :9101 or 127.0.0.1:9101"
	}
	return portProblem(port)
}

func portProblem(port string) string {
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "has no port from 0 to 65535"
	}
	return ""
}

// IsUnix reports whether an address is that of a unix socket.
func IsUnix(address string) bool { return strings.HasPrefix(address, Unix) }

package dns

import (
	"bufio"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
)

const (
	maxFile = 1 << 20
	// maxHostsFile is more than lists of hosts to block have, which are read line by line.
	maxHostsFile = 64 << 20
	maxLine      = 8 << 10

	maxServers = 8  // resolv.conf(5) has 3
	maxSearch  = 16 // domains of the search list
	maxDots    = 15 // resolv.conf(5)
)

// conf is what resolv.conf says.
type conf struct {
	servers []string // host:port
	search  []string
	ndots   int
}

// conf reads resolv.conf. Without a name server it means the one on this machine.
func (r *Resolver) conf() (conf, error) {
	text, err := r.read("resolv.conf")
	if err != nil {
		return conf{}, err
	}
	c := parseConf(text)
	if r.Server != "" {
		c.servers = []string{r.Server}
	}
	if len(c.servers) == 0 {
		c.servers = []string{"127.0.0.1:53", "[::1]:53"}
	}
	return c, nil
}

func parseConf(text string) conf {
	c := conf{ndots: 1}
	for fields := range lines(strings.NewReader(text), ";#") {
		switch values := fields[1:]; fields[0] {
		case "nameserver":
			c.addServer(values)
		case "domain", "search": // the last one counts
			c.search = nil
			for _, domain := range values[:min(len(values), maxSearch)] {
				if domain = strings.Trim(domain, "."); isDomainName(domain) {
					c.search = append(c.search, domain)
				}
			}
		case "options":
			c.options(values)
		}
	}
	return c
}

func (c *conf) addServer(values []string) {
	if len(values) == 0 || len(c.servers) == maxServers {
		return
	}
	if addr, err := netip.ParseAddr(values[0]); err == nil { // with a zone, where it has one
		c.servers = append(c.servers, net.JoinHostPort(addr.String(), "53"))
	}
}

func (c *conf) options(values []string) {
	for _, option := range values {
		if number, is := strings.CutPrefix(option, "ndots:"); is {
			if n, err := strconv.Atoi(number); err == nil && n >= 0 {
				c.ndots = min(n, maxDots)
			}
		}
	}
}

// names returns the names to ask for, in order: a host with enough dots as it is
// first, another one below the domains of the search list first; one that ends
// with a dot only as it is (resolv.conf(5)).
func (c conf) names(host string) []string {
	name, qualified := strings.CutSuffix(host, ".")
	if qualified {
		return []string{name}
	}
	var names []string
	for _, domain := range c.search {
		if below := name + "." + domain; isDomainName(below) {
			names = append(names, below)
		}
	}
	if strings.Count(name, ".") >= c.ndots {
		return slices.Insert(names, 0, name)
	}
	return append(names, name)
}

// hosts returns the addresses of a name in the hosts file.
func (r *Resolver) hosts(name string) (addrs []netip.Addr, err error) {
	file, err := r.open("hosts")
	if file == nil {
		return nil, err
	}
	defer file.Close()
	for fields := range lines(io.LimitReader(file, maxHostsFile), "#") {
		addr, err := netip.ParseAddr(fields[0])
		is := func(alias string) bool { return strings.EqualFold(strings.TrimSuffix(alias, "."), name) }
		if err == nil && slices.ContainsFunc(fields[1:], is) && !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}

// otherSources reports whether nsswitch.conf has hosts looked up elsewhere than in
// the hosts file and by DNS (nsswitch.conf(5)).
func (r *Resolver) otherSources() (bool, error) {
	text, err := r.read("nsswitch.conf")
	for fields := range lines(strings.NewReader(text), "#") {
		if fields[0] == "hosts:" {
			return slices.ContainsFunc(fields[1:], isOther), nil
		}
	}
	return false, err
}

func isOther(source string) bool {
	return source != "files" && source != "dns" && !strings.HasPrefix(source, "[")
}

// lines returns the fields of each line that has any, without its comment. Of a line
// that is longer than maxLine the beginning counts.
func lines(from io.Reader, comment string) iter.Seq[[]string] {
	reader := bufio.NewReaderSize(from, maxLine)
	return func(yield func([]string) bool) {
		for goesOn := false; ; {
			piece, more, err := reader.ReadLine()
			if err != nil {
				return
			}
			line := string(piece)
			if i := strings.IndexAny(line, comment); i >= 0 {
				line = line[:i]
			}
			if fields := strings.Fields(line); !goesOn && len(fields) > 0 && !yield(fields) {
				return
			}
			goesOn = more
		}
	}
}

// read returns a file of Etc, at most maxFile of it, as open finds it.
func (r *Resolver) read(name string) (string, error) {
	file, err := r.open(name)
	if file == nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return "", nil
	}
	return string(text), nil
}

// open opens a file of Etc. It is nil where there is none, or where it cannot be read.
// Only want of a descriptor is an error: it passes, and without the file another machine
// might be asked, or found.
func (r *Resolver) open(name string) (fs.File, error) {
	dir := r.Etc
	if dir == "" {
		dir = "/etc"
	}
	file, err := os.DirFS(dir).Open(name)
	switch {
	case descriptors.Short(err):
		err = descriptors.Explain(err)
		return nil, &net.DNSError{Err: name + ": " + err.Error(), UnwrapErr: err, IsTemporary: true}
	case err != nil:
		return nil, nil
	}
	return file, nil
}

package uri

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxLength is the longest URI that /0/x/0 holds, in bytes.
const MaxLength = 255

// Schemes and their default ports (RFC 7252 sections 6.1 and 6.2).
const (
	SchemeCoAP  = "coap"
	SchemeCoAPS = "coaps"

	DefaultPort       = 5683
	DefaultSecurePort = 5684
)

// URI is a parsed server URI.
type URI struct {
	Scheme string // SchemeCoAP or SchemeCoAPS
	Host   string // a DNS name in lower case, or an IP address without brackets, with its zone: "fe80::1%eth0"
	Port   uint16 // never 0
	// Path holds the decoded segments, as Uri-Path options; nil for none. A
	// trailing slash is an empty last segment.
	Path []string
	// Query holds the decoded arguments, as Uri-Query options; nil for none.
	Query []string
}

// Secure reports whether the scheme demands DTLS.
func (u URI) Secure() bool { return u.Scheme == SchemeCoAPS }

// HostIsIP reports whether the host is an IP address, which needs no resolution
// and no server name indication.
func (u URI) HostIsIP() bool {
	_, err := netip.ParseAddr(u.Host)
	return err == nil
}

// String is the URI in normal form: lower case, the port only when it is not
// the scheme's default. [Parse] reads it back as the same URI, unless escaping
// made it longer than MaxLength.
func (u URI) String() string {
	var b strings.Builder
	b.WriteString(u.Scheme)
	b.WriteString("://")
	b.WriteString(hostText(u.Host))
	if u.Port != defaultPort(u.Scheme) {
		b.WriteString(":" + strconv.Itoa(int(u.Port)))
	}
	for _, s := range u.Path {
		b.WriteString("/" + escape(s, pathExtra))
	}
	for i, q := range u.Query {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(escape(q, queryExtra))
	}
	return b.String()
}

// hostText is a host as it stands in a URI: an IPv6 address in brackets, its zone
// escaped (RFC 6874).
func hostText(host string) string {
	if !strings.Contains(host, ":") {
		return host
	}
	if address, zone, zoned := strings.Cut(host, "%"); zoned {
		host = address + "%25" + escape(zone, unreserved)
	}
	return "[" + host + "]"
}

func defaultPort(scheme string) uint16 {
	if scheme == SchemeCoAPS {
		return DefaultSecurePort
	}
	return DefaultPort
}

// Parse parses a server URI. Only coap and coaps are accepted; user information
// and fragments are refused. The zone of an IPv6 address, which names one of this
// machine's interfaces, follows %25 (RFC 6874). The error is an [*Error].
func Parse(s string) (URI, error) {
	if err := checkText(s); err != nil {
		return URI{}, err
	}
	scheme, rest, err := splitScheme(s)
	if err != nil {
		return URI{}, err
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	authority, path, hasPath := strings.Cut(rest, "/")
	u := URI{Scheme: scheme}
	if u.Host, u.Port, err = parseAuthority(authority, defaultPort(scheme)); err != nil {
		return URI{}, err
	}
	if hasPath && path != "" {
		if u.Path, err = decodeList(path, "/", FieldPath); err != nil {
			return URI{}, err
		}
		u.Path = withoutDots(u.Path)
	}
	if hasQuery && query != "" {
		if u.Query, err = decodeList(query, "&", FieldQuery); err != nil {
			return URI{}, err
		}
	}
	return u, nil
}

// checkText refuses what no URI may contain.
func checkText(s string) error {
	switch {
	case s == "":
		return refuse(FieldURI, ReasonEmpty)
	case len(s) > MaxLength:
		return refuse(FieldURI, ReasonTooLong)
	case strings.Contains(s, `\`):
		return refuse(FieldURI, ReasonBackslash)
	case strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return refuse(FieldURI, ReasonCharacter)
	case strings.Contains(s, "#"):
		return refuse(FieldURI, ReasonFragment)
	default:
		return nil
	}
}

// splitScheme takes the scheme and the slashes off.
func splitScheme(s string) (scheme, rest string, err error) {
	scheme, rest, found := strings.Cut(s, ":")
	if !found || strings.ContainsAny(scheme, "/?[.") {
		return "", "", refuse(FieldScheme, ReasonNoScheme)
	}
	scheme = strings.ToLower(scheme)
	known := scheme == SchemeCoAP || scheme == SchemeCoAPS
	switch after, slashes := strings.CutPrefix(rest, "//"); {
	case scheme == "":
		return "", "", refuse(FieldScheme, ReasonNoScheme)
	case known && strings.HasPrefix(rest, ":"):
		return "", "", refuse(FieldScheme, ReasonStrayColon)
	case !known && !slashes: // host:port
		return "", "", refuse(FieldScheme, ReasonNoScheme)
	case !known:
		return "", "", refuse(FieldScheme, ReasonScheme)
	case !slashes:
		return "", "", refuse(FieldScheme, ReasonNoSlashes)
	default:
		return scheme, after, nil
	}
}

// decodeList splits and percent-decodes path segments or query arguments.
func decodeList(s, separator string, f Field) ([]string, error) {
	parts := strings.Split(s, separator)
	for i, part := range parts {
		decoded, ok := unescape(part)
		switch {
		case !ok:
			return nil, refuse(f, ReasonPercent)
		case !utf8.ValidString(decoded):
			return nil, refuse(f, ReasonNotUTF8)
		}
		parts[i] = decoded
	}
	return parts, nil
}

// withoutDots removes the segments . and .., which no Uri-Path option may hold (RFC
// 7252 section 6.4, RFC 3986 section 5.2.4). Where one is last, the path ends with a
// slash.
func withoutDots(segments []string) []string {
	var kept []string
	for i, s := range segments {
		dots := s == "." || s == ".."
		switch {
		case !dots:
			kept = append(kept, s)
		case s == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		}
		if dots && i == len(segments)-1 && len(kept) > 0 {
			kept = append(kept, "")
		}
	}
	return kept
}

// Canonical returns the form in which URIs are compared: two that lead to the same
// requests at the same place have one. It differs from u by what means nothing: a
// slash at the end of the path, the dot at the end of a name, and the IPv6 way to
// write an IPv4 address.
func (u URI) Canonical() URI {
	if addr, err := netip.ParseAddr(u.Host); err == nil {
		u.Host = addr.Unmap().String()
	}
	u.Host = strings.TrimSuffix(u.Host, ".")
	if n := len(u.Path); n > 0 && u.Path[n-1] == "" {
		u.Path = u.Path[: n-1 : n-1]
	}
	return u
}

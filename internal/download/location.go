package download

import (
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// The schemes of HTTP and their default ports (RFC 9110 section 4.2).
const (
	SchemeHTTP  = "http"
	SchemeHTTPS = "https"

	httpPort  = 80
	httpsPort = 443
)

// Location is where an image is.
type Location struct {
	Scheme string // one of those of package uri, SchemeHTTP or SchemeHTTPS
	Host   string // a DNS name in lower case, or an IP address without brackets, with its zone
	Port   uint16 // never 0
	// Target is the path and the query as an HTTP request has them; empty with CoAP.
	Target string
	// CoAP is the same location with CoAP; the zero URI with HTTP.
	CoAP uri.URI
}

// HTTP reports whether the image is fetched by HTTP.
func (l Location) HTTP() bool { return l.Scheme == SchemeHTTP || l.Scheme == SchemeHTTPS }

// Secure reports whether the scheme demands TLS or DTLS.
func (l Location) Secure() bool { return l.Scheme == SchemeHTTPS || l.Scheme == uri.SchemeCoAPS }

// HostPort returns the host and the port, as in "[2001:db8::1]:80".
func (l Location) HostPort() string {
	return net.JoinHostPort(l.Host, strconv.Itoa(int(l.Port)))
}

// String returns the location as a URI, without its query: that may carry a key.
func (l Location) String() string {
	if !l.HTTP() {
		u := l.CoAP
		u.Query = nil
		return u.String()
	}
	path, _, _ := strings.Cut(l.Target, "?")
	return l.Scheme + "://" + l.authority() + path
}

// authority is host and port as a request names them: without the port when it is the
// scheme's.
func (l Location) authority() string {
	host := l.serverName()
	if l.Port != defaultPort(l.Scheme) {
		return net.JoinHostPort(host, strconv.Itoa(int(l.Port)))
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// serverName is the host as the server knows itself: without the dot at the end of a name,
// and without the zone of an address, which means nothing elsewhere (RFC 6874 section 4).
func (l Location) serverName() string {
	host, _, _ := strings.Cut(l.Host, "%")
	return strings.TrimSuffix(host, ".")
}

// reserved reports whether the port is one that services other than web servers have on TCP.
func (l Location) reserved() bool {
	const firstUserPort = 1024 // RFC 6335 section 6
	return l.HTTP() && l.Port < firstUserPort && l.Port != httpPort && l.Port != httpsPort
}

func defaultPort(scheme string) uint16 {
	if scheme == SchemeHTTPS {
		return httpsPort
	}
	return httpPort
}

// parseLocation parses a URI of at most limit bytes. The error is a *URIError.
func parseLocation(raw string, limit int) (Location, error) {
	if err := checkText(raw, limit); err != nil {
		return Location{}, err
	}
	scheme, rest, err := splitScheme(raw)
	if err != nil {
		return Location{}, err
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		end = i
	}
	authority, target := rest[:end], rest[end:]
	if err := checkTarget(target); err != nil {
		return Location{}, err
	}
	if scheme == uri.SchemeCoAP || scheme == uri.SchemeCoAPS {
		return coapLocation(raw)
	}
	host, port, err := parseAuthority(authority, defaultPort(scheme))
	if err != nil {
		return Location{}, err
	}
	if !strings.HasPrefix(target, "/") { // an empty path is that of the root (RFC 9112 section 3.2.1)
		target = "/" + target
	}
	return Location{Scheme: scheme, Host: host, Port: port, Target: target}, nil
}

func coapLocation(raw string) (Location, error) {
	u, err := uri.Parse(raw)
	if err != nil {
		return Location{}, fromURI(err)
	}
	if isNumber(u.Host) {
		return Location{}, malformed(uri.FieldHost, uri.ReasonAddress)
	}
	return Location{Scheme: u.Scheme, Host: u.Host, Port: u.Port, CoAP: u}, nil
}

// parseAuthority parses host[:port] as package uri does.
func parseAuthority(s string, port uint16) (string, uint16, error) {
	u, err := uri.Parse(uri.SchemeCoAP + "://" + s)
	if err != nil {
		return "", 0, fromURI(err)
	}
	if isNumber(u.Host) {
		return "", 0, malformed(uri.FieldHost, uri.ReasonAddress)
	}
	// What follows the last colon is a port, unless that colon is one of an address.
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') && i+1 < len(s) {
		port = u.Port
	}
	return u.Host, port, nil
}

// isNumber reports whether a name is an address in one of the spellings that resolvers of
// operating systems take beside the usual one: 0x7f000001, 127.0.0.0x1, 127.0.0.1 with a dot
// at its end. It is so where the last label is a number (WHATWG URL, section 3.5). Package
// uri has dealt with decimal ones.
func isNumber(host string) bool {
	if strings.Contains(host, ":") {
		return false // an IPv6 address
	}
	name, dotted := strings.CutSuffix(host, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, found := strings.CutPrefix(last, "0x"); found {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return dotted && strings.Trim(last, "0123456789") == ""
}

// checkText refuses what no URI may contain.
func checkText(s string, limit int) error {
	switch {
	case s == "":
		return malformed(uri.FieldURI, reasonEmpty)
	case len(s) > limit:
		return malformed(uri.FieldURI, reasonTooLong)
	case strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return malformed(uri.FieldURI, uri.ReasonCharacter)
	case strings.Contains(s, "#"):
		return malformed(uri.FieldURI, uri.ReasonFragment)
	}
	return nil
}

// splitScheme takes the scheme and the slashes off.
func splitScheme(s string) (scheme, rest string, err error) {
	scheme, rest, found := strings.Cut(s, ":")
	scheme = strings.ToLower(scheme)
	if !found || !isScheme(scheme) || isPort(rest) {
		return "", "", malformed(uri.FieldScheme, reasonNoScheme)
	}
	switch scheme {
	case uri.SchemeCoAP, uri.SchemeCoAPS, SchemeHTTP, SchemeHTTPS:
	default:
		return "", "", &URIError{Fault: UnsupportedScheme, Field: uri.FieldScheme, Reason: reasonScheme}
	}
	rest, slashes := strings.CutPrefix(rest, "//")
	if !slashes {
		return "", "", malformed(uri.FieldScheme, reasonNoSlashes)
	}
	return scheme, rest, nil
}

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

// isScheme reports whether a text in lower case has the form of a scheme (RFC 3986 section
// 3.1).
func isScheme(s string) bool {
	return s != "" && strings.Contains(letters, s[:1]) && strings.Trim(s, letters+digits+"+-.") == ""
}

// isPort reports whether what follows a colon begins as a port does: what is before it is a
// host then, and no scheme.
func isPort(s string) bool {
	if i := strings.IndexAny(s, "/?"); i >= 0 {
		s = s[:i]
	}
	return s != "" && strings.Trim(s, digits) == ""
}

// checkTarget refuses a path and a query that RFC 3986 does not allow (sections 3.3 and 3.4).
func checkTarget(s string) error {
	field := uri.FieldPath
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '?':
			field = uri.FieldQuery
		case c == '%':
			if !escaped(s[i:]) {
				return malformed(field, uri.ReasonPercent)
			}
		case c == '\\':
			return malformed(field, uri.ReasonBackslash)
		case !strings.ContainsRune(letters+digits+"-._~!$&'()*+,;=:@/", rune(c|lowerBit(c))):
			return malformed(field, reasonTarget)
		}
	}
	return nil
}

// lowerBit is what makes a letter one of lower case.
func lowerBit(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return 'a' - 'A'
	}
	return 0
}

func escaped(s string) bool {
	if len(s) < len("%00") {
		return false
	}
	_, err := strconv.ParseUint(s[1:3], 16, 8)
	return err == nil
}

// fromURI turns an error of package uri into one of this package.
func fromURI(err error) error {
	var e *uri.Error
	if !errors.As(err, &e) {
		return err
	}
	return malformed(e.Field, e.Reason)
}

func malformed(f uri.Field, r uri.Reason) error {
	return &URIError{Fault: Malformed, Field: f, Reason: r}
}

package uri

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parseAuthority parses host[:port].
func parseAuthority(s string, port uint16) (string, uint16, error) {
	if strings.Contains(s, "@") {
		return "", 0, refuse(FieldHost, ReasonUserInfo)
	}
	hostText, portText, hasPort, err := splitPort(s)
	if err != nil {
		return "", 0, err
	}
	host, err := parseHost(hostText)
	if err != nil {
		return "", 0, err
	}
	if hasPort && portText != "" { // an empty one is the default (RFC 3986 section 6.2.3)
		if port, err = parsePort(portText); err != nil {
			return "", 0, err
		}
	}
	return host, port, nil
}

// splitPort separates the host, with its brackets, from the port.
func splitPort(s string) (host, port string, hasPort bool, err error) {
	if !strings.HasPrefix(s, "[") {
		if strings.ContainsAny(s, "[]") {
			return "", "", false, refuse(FieldHost, ReasonBracket)
		}
		if addr, err := netip.ParseAddr(s); err == nil && addr.Is6() {
			return "", "", false, refuse(FieldHost, ReasonUnbracketed)
		}
		host, port, hasPort = strings.Cut(s, ":")
		return host, port, hasPort, nil
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return "", "", false, refuse(FieldHost, ReasonBracket)
	}
	host, rest := s[:end+1], s[end+1:]
	port, hasPort = strings.CutPrefix(rest, ":")
	if rest != "" && !hasPort {
		return "", "", false, refuse(FieldHost, ReasonBracket)
	}
	return host, port, hasPort, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, refuse(FieldPort, ReasonPort)
	}
	return uint16(n), nil
}

func parseHost(s string) (string, error) {
	if s == "" || s == "[]" {
		return "", refuse(FieldHost, ReasonNoHost)
	}
	if inner, bracketed := strings.CutPrefix(s, "["); bracketed {
		return parseIPv6(strings.TrimSuffix(inner, "]"))
	}
	// A letter of a name may be escaped, which changes nothing (RFC 3986 section
	// 3.2.2); what no name has is refused below, escaped or not.
	plain, ok := unescape(s)
	if !ok {
		return "", refuse(FieldHost, ReasonPercent)
	}
	if looksLikeIPv4(plain) {
		return parseIPv4(plain)
	}
	name := strings.ToLower(plain)
	if !validName(name) {
		return "", refuse(FieldHost, ReasonName)
	}
	return name, nil
}

func parseIPv6(s string) (string, error) {
	s, zone, zoned := strings.Cut(s, "%")
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is6() || zoned && addr.Is4In6() {
		return "", refuse(FieldHost, ReasonAddress)
	}
	if zoned {
		if zone, err = parseZone(zone); err != nil {
			return "", err
		}
	}
	return addr.WithZone(zone).String(), nil
}

// parseZone decodes what follows the percent sign of an address: 25, which makes it
// an escaped one, and the zone (RFC 6874 section 2). A bare percent sign, as other
// programs print it, would be ambiguous: %ee is a byte, and may begin eee0.
func parseZone(s string) (string, error) {
	escaped, ok := strings.CutPrefix(s, "25")
	if !ok {
		return "", refuse(FieldHost, ReasonZone)
	}
	zone, ok := unescape(escaped)
	plain := strings.Trim(strings.ToLower(escaped), "abcdefghijklmnopqrstuvwxyz0123456789%"+unreserved) == ""
	visible := utf8.ValidString(zone) && !strings.ContainsFunc(zone, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
	if !ok || !plain || !visible || zone == "" {
		return "", refuse(FieldHost, ReasonZoneName)
	}
	return zone, nil
}

func parseIPv4(s string) (string, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return "", refuse(FieldHost, ReasonAddress)
	}
	return addr.String(), nil
}

// looksLikeIPv4 follows the rule that no top-level domain is numeric: what ends
// in a number is an address or a mistake.
func looksLikeIPv4(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// Bounds of RFC 1035 section 2.3.4, in text form.
const (
	maxName  = 253
	maxLabel = 63
)

// validName checks a DNS name in lower case. One dot at the end is allowed.
func validName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > maxName {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

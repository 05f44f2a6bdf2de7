package download

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// request is the request for an image, or for the rest of one. Its parts have been checked:
// none has a line break.
func request(l Location, f Fetch) []byte {
	lines := []string{
		"GET " + l.Target + " HTTP/1.1",
		"Host: " + l.authority(),
		"User-Agent: holdfast",
		"Accept: */*",
		"Accept-Encoding: identity", // a range of a compressed image is a range of something else
		"Connection: close",
	}
	if f.From > 0 {
		lines = append(lines, "Range: bytes="+strconv.FormatInt(f.From, 10)+"-")
		switch {
		case isStrong(f.Validator):
			lines = append(lines, "If-Match: "+f.Validator)
		case isDate(f.Validator):
			lines = append(lines, "If-Unmodified-Since: "+f.Validator)
		}
	}
	return []byte(strings.Join(append(lines, "", ""), "\r\n"))
}

// maxETag bounds an entity tag, in bytes, quotes included: it is stored.
const maxETag = 256

// isStrong reports whether a text is a strong entity tag (RFC 9110 section 8.8.3).
func isStrong(s string) bool {
	if len(s) < 2 || len(s) > maxETag || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	return !slices.ContainsFunc([]byte(s[1:len(s)-1]), func(c byte) bool { return c <= ' ' || c == '"' || c == 0x7f })
}

func isDate(s string) bool {
	_, err := http.ParseTime(s)
	return err == nil
}

// validatorOf returns what tells whether an image is still the same: the strong entity tag,
// else the date of the last modification where that is strong, too (RFC 9110 section
// 8.8.2.2); empty for none.
func validatorOf(h http.Header) string {
	if tag := single(h, "ETag"); isStrong(tag) {
		return tag
	}
	modified, err := http.ParseTime(single(h, "Last-Modified"))
	if err != nil {
		return ""
	}
	if sent, err := http.ParseTime(single(h, "Date")); err != nil || sent.Sub(modified) < time.Second {
		return ""
	}
	return modified.UTC().Format(http.TimeFormat)
}

// matches reports whether a response is about the image that a validator belongs to. A part
// must carry what the whole would (RFC 9110 section 15.3.7).
func matches(h http.Header, validator string) bool {
	switch {
	case isStrong(validator):
		return single(h, "ETag") == validator
	case isDate(validator):
		now, err := http.ParseTime(single(h, "Last-Modified"))
		return err == nil && now.UTC().Format(http.TimeFormat) == validator
	}
	return true
}

// single is the value of a field that may be there once only.
func single(h http.Header, name string) string {
	if values := h.Values(name); len(values) == 1 {
		return strings.TrimSpace(values[0])
	}
	return ""
}

// contentRange is the range that a response has (RFC 9110 section 14.4).
type contentRange struct {
	first, last int64
	total       int64 // 0 is unknown
}

// parseContentRange reads "bytes first-last/total".
func parseContentRange(s string) (r contentRange, ok bool) {
	span, total, ok := cutContentRange(s)
	if !ok {
		return r, false
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return r, false
	}
	if r.first, ok = number(first); !ok {
		return r, false
	}
	if r.last, ok = number(last); !ok || r.last < r.first {
		return r, false
	}
	if total == "*" {
		return r, true
	}
	r.total, ok = number(total)
	return r, ok && r.total > r.last
}

// unsatisfied reads the total of "bytes */total"; 0 when it is not there.
func unsatisfied(s string) int64 {
	if span, total, ok := cutContentRange(s); ok && span == "*" {
		n, _ := number(total)
		return n
	}
	return 0
}

func cutContentRange(s string) (span, total string, ok bool) {
	unit, rest, ok := strings.Cut(s, " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}

// number reads digits and nothing else.
func number(s string) (int64, bool) {
	if strings.Trim(s, digits) != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// How long a server is left alone that says that it has too much to do.
const (
	defaultPause = 60 * time.Second
	minPause     = time.Second
	maxPause     = 7 * 24 * time.Hour
)

// pauseOf reads Retry-After (RFC 9110 section 10.2.3): seconds, or a date by the clock of the
// server where it says what that shows.
func pauseOf(h http.Header, now time.Time) time.Duration {
	value := single(h, "Retry-After")
	if value != "" && strings.Trim(value, digits) == "" {
		seconds, ok := number(value)
		if limit := int64(maxPause / time.Second); !ok || seconds > limit {
			seconds = limit
		}
		return max(time.Duration(seconds)*time.Second, minPause)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return defaultPause
	}
	if sent, err := http.ParseTime(single(h, "Date")); err == nil {
		now = sent
	}
	return min(max(at.Sub(now), minPause), maxPause)
}

func isRedirect(status int) bool {
	return slices.Contains([]int{
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
	}, status)
}

// redirectTarget returns the URI that a response redirects to, without its fragment.
func redirectTarget(l Location, h http.Header) (string, error) {
	raw, _, _ := strings.Cut(single(h, "Location"), "#")
	if err := checkText(raw, maxRedirect); err != nil {
		return "", &RedirectError{Err: err}
	}
	to, err := resolveReference(l, raw)
	if err != nil {
		return "", &RedirectError{Err: malformed(uri.FieldURI, reasonUnreadable)}
	}
	return to.String(), nil
}

// resolveReference makes an absolute URI of one that may be relative (RFC 3986 section 5).
func resolveReference(l Location, raw string) (*url.URL, error) {
	base, err := url.ParseRequestURI(l.Target)
	if err != nil {
		return nil, err
	}
	base.Scheme, base.Host = l.Scheme, l.HostPort()
	return base.Parse(raw)
}

package uri

// Field is the part of a URI that an [Error] is about.
type Field string

// The parts of a server URI.
const (
	FieldURI    Field = "URI"
	FieldScheme Field = "scheme"
	FieldHost   Field = "host"
	FieldPort   Field = "port"
	FieldPath   Field = "path"
	FieldQuery  Field = "query"
)

// Reason says what is wrong and what to do about it.
type Reason string

// The reasons of an [Error].
const (
	ReasonEmpty       Reason = "is empty: give one such as coaps://host:5684"
	ReasonTooLong     Reason = "is longer than 255 bytes: shorten the path or the query"
	ReasonCharacter   Reason = "has a space, a control character or one that is not ASCII: percent-encode it in the path and the query, use punycode in the host"
	ReasonBackslash   Reason = "has a backslash: write forward slashes, as in coaps://host:5684"
	ReasonNoScheme    Reason = "is missing: begin with coap:// or coaps://"
	ReasonScheme      Reason = "is not supported: use coap (UDP) or coaps (DTLS)"
	ReasonStrayColon  Reason = "is followed by a stray colon: write coap://host, not coap:://host"
	ReasonNoSlashes   Reason = "must be followed by two slashes: write coap://host"
	ReasonNoHost      Reason = "is missing: write a name or an address after the two slashes"
	ReasonUserInfo    Reason = "must not carry a user name: credentials have their own settings"
	ReasonFragment    Reason = "must not have a fragment: remove # and what follows"
	ReasonBracket     Reason = "has unbalanced brackets: write an IPv6 address as [2001:db8::1]"
	ReasonUnbracketed Reason = "is an IPv6 address without brackets: write [2001:db8::1]"
	ReasonZone        Reason = "has a bare percent sign before the zone: write [fe80::1%25eth0] (RFC 6874)"
	ReasonZoneName    Reason = "has no valid zone: write the name of an interface after %25, as in [fe80::1%25eth0], with other characters than letters, digits and -._~ percent-encoded"
	ReasonAddress     Reason = "is not a valid IP address"
	ReasonName        Reason = "is not a valid DNS name: labels of 1 to 63 letters, digits, hyphens and underscores"
	ReasonPort        Reason = "is not a number from 1 to 65535: correct it, or leave it out with its colon for the default"
	ReasonPercent     Reason = "has a percent sign without two hexadecimal digits: write %25 for a percent sign"
	ReasonNotUTF8     Reason = "does not decode to UTF-8"
)

// Error is what [Parse] returns. It does not repeat the URI: a query may carry
// an account.
type Error struct {
	Field  Field
	Reason Reason
}

// Error implements error.
func (e *Error) Error() string {
	return "server URI: the " + string(e.Field) + " " + string(e.Reason)
}

func refuse(f Field, r Reason) error { return &Error{Field: f, Reason: r} }

package lwm2m

import (
	"fmt"
	"strconv"
)

// Secret is key material. It prints as its length only, however it is
// printed.
type Secret []byte

// String returns the length, never the content.
func (s Secret) String() string { return fmt.Sprintf("[%d secret bytes]", len(s)) }

// GoString returns the same as String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format makes every verb print what String returns.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalJSON writes what String returns, so that a secret that reaches an
// event or a log as JSON shows nothing.
func (s Secret) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, s.String()), nil }

package dtls

import (
	"fmt"
	"io"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
)

// Resumption is what a client needs to resume a session by its ID (RFC 5246
// section 7.3). It holds a secret and prints none of it.
type Resumption struct {
	ID     []byte
	Suite  SuiteID
	Master []byte // the master secret, an extended one (RFC 7627 section 5.3)
	// Proof is what had proven that the server is the right one, when the session was made:
	// a resumed one is proven by its secret.
	Proof Proof
}

// Format implements fmt.Formatter: whatever the verb, no secret is printed.
func (r Resumption) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "dtls.Resumption("+r.Suite.String()+", secret not shown)")
}

// Secret returns the master secret; nil of a nil Resumption.
func (r *Resumption) Secret() []byte {
	if r == nil {
		return nil
	}
	return r.Master
}

func (r *Resumption) check(offered []SuiteID) error {
	if len(r.ID) == 0 || len(r.ID) > 32 || len(r.Master) != masterSecretSize || !slices.Contains(offered, r.Suite) {
		return &ConfigError{"the session to resume is none of these suites', or has no ID or secret"}
	}
	return nil
}

// resume takes a ServerHello that resumes the session on offer: what it chose
// has to be what that session has.
func (h *Handshake) resume(x *exchange) error {
	offered := h.config.Resume
	if x.agreed.suite.id != offered.Suite {
		return refusal(alertIllegalParameter, "the resumed session has another suite, %s", x.agreed.suite.id)
	}
	if !x.agreed.extended { // RFC 7627 section 5.3
		return refusal(alertHandshakeFailure, "the resumed session lacks its extended master secret")
	}
	x.master, x.proof = slices.Clone(offered.Master), offered.Proof
	return h.protect(x)
}

// concludeResumed answers the server's Finished of an abbreviated handshake
// with the client's, which is the last flight.
func (h *Handshake) concludeResumed(x *exchange, finished handshake.Message) []item {
	x.transcript = finished.Append(x.transcript)
	return h.finished(x)
}

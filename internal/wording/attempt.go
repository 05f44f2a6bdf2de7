package wording

import (
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Attempt says in a sentence how far an attempt has come at the instant now: what was
// sent, to where, since when, how often, and what has come back.
func Attempt(a *messages.AttemptStatus, now time.Time) string {
	s := a.Step
	if !s.Turn.IsZero() {
		return fmt.Sprintf("waits for its turn to shake hands with %s, for %s", a.Address, Duration(now.Sub(s.Turn)))
	}
	switch s.Sent {
	case messages.SentNothing:
		return begun(a)
	case messages.SentQuery:
		return fmt.Sprintf("resolving %q for %s: no name server has answered yet", a.Host, Duration(now.Sub(s.Since)))
	case messages.SentBootstrapRequest:
		if s.Heard == messages.HeardAccepted {
			return fmt.Sprintf("the bootstrap server has accepted the request %s ago; it is to write accounts, and to finish", Duration(now.Sub(s.Since)))
		}
	}
	return fmt.Sprintf("%s %s: %s; %s", purpose(a.Step.Sent), a.Address, sent(a.Step, now), answer(a.Step.Heard))
}

// begun is for the moment before anything is sent.
func begun(a *messages.AttemptStatus) string {
	switch {
	case a.Began.IsZero():
		return ""
	case !a.Address.IsValid():
		return "beginning with " + strconv.Quote(a.Host)
	}
	return "the link to " + a.Address.String() + " is being made"
}

// purpose says what a message is part of.
func purpose(s messages.Sent) string {
	switch s {
	case messages.SentClientHello, messages.SentClientHelloAgain, messages.SentProof:
		return "handshake with"
	}
	return "request to"
}

// sent says when, and how often.
func sent(s messages.Step, now time.Time) string {
	text := fmt.Sprintf("%s sent %s ago", s.Sent, Duration(now.Sub(s.Since)))
	switch s.Resent {
	case 0:
		return text
	case 1:
		return text + ", resent once"
	}
	return fmt.Sprintf("%s, resent %d times, last %s ago", text, s.Resent, Duration(now.Sub(s.Last)))
}

func answer(h messages.Heard) string {
	switch h {
	case messages.HeardOther:
		return "what came back is no answer to that"
	case messages.HeardVerify:
		return "HelloVerifyRequest came before, nothing since"
	case messages.HeardServerHello:
		return "a part of the server's flight has come"
	case messages.HeardFlight:
		return "the server's flight came before, no answer since"
	case messages.HeardAck:
		return "acknowledged, no answer since"
	}
	return "nothing has come back"
}

// patience is how long a server may take before its silence is worth a hint.
const patience = 3 * time.Second

// Hint says what the silence of an attempt may mean, by what has been heard; empty
// while it is too early to say.
func Hint(a *messages.AttemptStatus, now time.Time) string {
	if !a.Step.Turn.IsZero() || a.Step.Resent == 0 && now.Sub(a.Step.Since) < patience {
		return ""
	}
	switch a.Step.Sent {
	case messages.SentQuery:
		return "this machine's name servers may be out of reach"
	case messages.SentClientHello, messages.SentClientHelloAgain, messages.SentProof:
		return handshakeHint(a)
	case messages.SentBootstrapRequest, messages.SentRegister:
		return requestHint(a)
	case messages.SentUpdate:
		return "the server may be down, have lost the session, or be out of reach; silence leads to a new link"
	}
	return ""
}

func handshakeHint(a *messages.AttemptStatus) string {
	switch a.Step.Heard {
	case messages.HeardNothing:
		return "the server may be down, a firewall may drop UDP, or what listens on this port may speak plain CoAP and no DTLS"
	case messages.HeardOther:
		return "what listens on this port may speak plain CoAP and no DTLS"
	case messages.HeardVerify:
		return "the server may take none of the cipher suites on offer, or datagrams of its size may be lost on the way"
	case messages.HeardServerHello:
		return "datagrams of the server may be lost on the way, as where they are larger than a link carries"
	}
	if a.Security == messages.SecurityPSK {
		return "the server may not know the key or the identity: servers are often silent then"
	}
	return "the server may not accept this client's certificate or key: servers are often silent then"
}

func requestHint(a *messages.AttemptStatus) string {
	switch {
	case a.Step.Heard == messages.HeardAck:
		return "the server is there, and takes its time"
	case a.Step.Heard == messages.HeardAccepted:
		return ""
	case a.Security == messages.SecurityNoSec:
		return "the server may be down, a firewall may drop UDP, or what listens on this port may expect DTLS (coaps)"
	}
	return "the session stands and the server does not answer: it may not serve LwM2M at this address"
}

package supervisor

import (
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// attempt is one attempt to reach a server, over all of its addresses: it takes
// one incarnation for each that is tried.
type attempt struct {
	began     time.Time
	deadline  time.Time
	step      messages.Step    // what it waits for at present
	addresses []netip.AddrPort // resolved in this attempt
	tried     int              // how many of them have been tried
	chosen    netip.AddrPort   // the last one tried, kept across attempts
	worst     *messages.Failure
	answered  bool // a bootstrap server has answered POST /bs
	divided   bool // addresses that were resolved late have their share, with a timer
	resuming  bool // the present incarnation goes on with a session
	afresh    bool // none goes on with a movable one: its server is silent
}

// next returns the attempt that follows, which begins with the address after the
// one that was tried last.
func (t attempt) next(deadline time.Time) attempt {
	return attempt{deadline: deadline, chosen: t.chosen}
}

// connecting notes which address is being tried.
func (t *attempt) connecting(addresses []netip.AddrPort, chosen netip.AddrPort) {
	if len(t.addresses) == 0 {
		t.addresses = slices.Clone(addresses)
	}
	t.chosen = chosen
	t.tried++
}

// again has the present address tried once more.
func (t *attempt) again() {
	if i := slices.Index(t.addresses, t.chosen); i >= 0 {
		t.chosen = t.addresses[(i+len(t.addresses)-1)%len(t.addresses)]
	}
	t.tried--
	t.resuming, t.afresh = false, true
}

// join adds addresses that were resolved late, when others were being tried, and
// reports whether one of them is new.
func (t *attempt) join(addresses []netip.AddrPort) (more bool) {
	for _, a := range addresses {
		if len(t.addresses) > 0 && !slices.Contains(t.addresses, a) {
			t.addresses, more = append(t.addresses, a), true
		}
	}
	return more
}

// remainder returns the end of the present address's part, now that there are more.
func (t *attempt) remainder(now time.Time) time.Time {
	return messages.AddressShare(now, t.deadline, len(t.addresses)-t.tried+1)
}

// share returns the end of the next address's part of the attempt.
func (t *attempt) share(now time.Time) time.Time {
	return messages.AddressShare(now, t.deadline, len(t.addresses)-t.tried)
}

// goesOn reports whether another address can be tried after f: where the trouble
// may be that of one address only, and time is left.
func (t *attempt) goesOn(now time.Time, f *messages.Failure) bool {
	return slices.Contains(addressTrouble, f.Class) && !t.answered &&
		t.tried < len(t.addresses) && now.Before(t.deadline)
}

// addressTrouble lists the failures after which another address of the same
// server is worth trying. An answer of the server is not one of them.
var addressTrouble = []messages.Class{
	messages.ClassRefused, messages.ClassUnreachable, messages.ClassSocket,
	messages.ClassHandshakeTimeout, messages.ClassHandshakeStalled, messages.ClassTimeout,
	messages.ClassAlert, messages.ClassCredentialsRefused, messages.ClassServerCertificate,
	messages.ClassClosed, messages.ClassClock,
}

// note keeps the most telling failure of an attempt over several addresses: TLS
// before socket before timeout.
func (t *attempt) note(f messages.Failure) {
	if t.worst == nil || weight(f.Class) > weight(t.worst.Class) {
		t.worst = &f
	}
}

// outcome ends the attempt with the failure that tells most.
func (t *attempt) outcome() messages.Failure {
	f := *t.worst
	t.worst = nil
	return f
}

func weight(c messages.Class) int {
	switch c {
	case messages.ClassTimeout, messages.ClassHandshakeTimeout:
		return 1
	case messages.ClassRefused, messages.ClassUnreachable, messages.ClassSocket, messages.ClassClosed:
		return 2
	}
	return 3
}

package accounts

import (
	"crypto/x509"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// Check tells whether objects 0 and 1 are a configuration that the client can
// work with (LwM2M Core section 6.1.6): every Security
// instance is a usable account, at most one of them the bootstrap server's and
// at least one a management server's. A Server instance that no account refers
// to does no harm. The error is of type [Faults].
func Check(tree *lwm2m.Tree) error {
	return unfit(fromTree(tree)).orNil()
}

func unfit(accts []messages.Account, faults Faults) Faults {
	if len(faults) == 0 && !hasManagement(accts) {
		return Faults{{Path: lwm2m.PathOf(objects.Security), Reason: ReasonNoManagement}}
	}
	return faults
}

func hasManagement(accts []messages.Account) bool {
	return len(accts) > 0 && accts[len(accts)-1].Peer != messages.BootstrapPeer()
}

// CheckRecord tells whether the content of a record of the state directory can
// be used: it decodes, and its accounts hold together. Of those of the factory
// one that can be used is enough, and there may be none at all. A record of
// another name passes. The error is a [*RecordError], [Faults], a [*StateError] or an [*EnrolledError].
func CheckRecord(name string, data []byte) error {
	if strings.HasPrefix(name, messages.RecordStates) {
		return CheckState(data)
	}
	if strings.HasPrefix(name, messages.RecordEnrolments) {
		_, err := DecodeEnrolled(data)
		return err
	}
	if name == messages.RecordServer {
		return CheckWritten(data)
	}
	if name != messages.RecordCredentials && name != messages.RecordFactory {
		return nil
	}
	tree, err := Decode(data)
	switch {
	case err != nil:
		return err
	case name == messages.RecordCredentials:
		return Check(tree)
	}
	usable, faults := fromTree(tree)
	if len(usable) > 0 {
		return nil
	}
	return faults.orNil()
}

// BootstrapOnly returns the usable bootstrap account of a record that is otherwise
// unusable, and nothing else of it; nil when there is none.
func BootstrapOnly(record []byte) *lwm2m.Tree {
	tree, err := Decode(record)
	if err != nil {
		return nil
	}
	usable, _ := fromTree(tree)
	if len(usable) == 0 || usable[0].Peer != messages.BootstrapPeer() {
		return nil
	}
	only := ToTree(nil)
	i, _ := tree.Instance(objects.Security, usable[0].SecurityInstance)
	only.PutInstance(objects.Security, i)
	return only
}

// CheckChange tells whether a server may put after in place of before: Check, then
// CheckExpiry, CheckHeldKeys and CheckDowngrade, the first that finds anything, but
// each set of accounts is read once; and whether object 2 is complete. A record is
// not judged by that: what object 2 lacks grants nothing, and keeps nobody offline.
func CheckChange(before, after *lwm2m.Tree, clock validity.Clock) error {
	accts, faults := fromTree(after)
	for _, faultsOf := range []func() Faults{
		func() Faults { return unfit(accts, faults) },
		func() Faults { return expiredOf(accts, clock) },
		func() Faults { return notHeld(before, after) },
		func() Faults { return downgraded(before, accts) },
		func() Faults { return controlFaults(after) },
	} {
		if found := faultsOf(); len(found) > 0 {
			return found
		}
	}
	return nil
}

// CheckExpiry finds accounts whose own certificate has expired. A certificate that
// is not valid yet passes: a device without a clock of its own starts in the past,
// and a raw public key does not expire. Nothing has expired by a clock that is
// known to be wrong, from the accounts' certificates too. The error is of type
// [Faults].
func CheckExpiry(accts []messages.Account, clock validity.Clock) error {
	return expiredOf(accts, clock).orNil()
}

func expiredOf(accts []messages.Account, clock validity.Clock) (faults Faults) {
	for _, a := range accts {
		if a.Credentials.Mode == messages.SecurityX509 && expired(a.Credentials.Certificate, clock) {
			path := lwm2m.PathOf(objects.Security, a.SecurityInstance, objects.SecurityPublicKeyOrIdentity)
			faults = append(faults, &Fault{Path: path, Reason: ReasonCertificateExpired})
		}
	}
	if len(faults) > 0 && clock.Now.Before(NewestCertificate(accts)) {
		return nil
	}
	return faults
}

// NewestCertificate returns the latest instant that has passed by what the
// certificates of accounts say, their own and their servers'; zero for none.
func NewestCertificate(accts []messages.Account) (newest time.Time) {
	for _, a := range accts {
		if c := a.Credentials; c.Mode == messages.SecurityX509 {
			newest = validity.Later(newest, validity.Begun(c.Certificate, c.ServerCertificates))
		}
	}
	return newest
}

func expired(chain [][]byte, clock validity.Clock) bool {
	for _, der := range chain {
		if c, err := x509.ParseCertificate(der); err == nil && clock.Judge(c.NotBefore, c.NotAfter) == validity.Expired {
			return true
		}
	}
	return false
}

// CheckDowngrade finds management accounts that were secured before and are
// NoSec after, under the same short server ID. The error is of type [Faults].
func CheckDowngrade(before, after *lwm2m.Tree) error {
	accts, _ := fromTree(after)
	return downgraded(before, accts).orNil()
}

func downgraded(before *lwm2m.Tree, accts []messages.Account) (faults Faults) {
	former, _ := fromTree(before)
	secured := make(map[messages.Peer]bool)
	for _, a := range former {
		secured[a.Peer] = a.Credentials.Mode != messages.SecurityNoSec
	}
	for _, a := range accts {
		if secured[a.Peer] && a.Credentials.Mode == messages.SecurityNoSec {
			path := lwm2m.PathOf(objects.Security, a.SecurityInstance, objects.SecurityMode)
			faults = append(faults, &Fault{Path: path, Reason: ReasonDowngrade})
		}
	}
	return faults
}

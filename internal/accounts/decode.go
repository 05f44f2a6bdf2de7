package accounts

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of durations that a server writes, in seconds.
const (
	// maxHoldOff is a week: the longest that a server may put off a device
	// (docs/design.md, The reconnection policy).
	maxHoldOff = 7 * 24 * 60 * 60
	// maxLifetime is the longest lifetime that a Register tells: servers read it as
	// 32 bits. A longer one of a bootstrap counts as this one, 136 years.
	maxLifetime = math.MaxUint32
)

// FromTree reads the accounts of objects 0 and 1: those that can be used, the
// bootstrap account first and the others by short server ID, and what is wrong
// with the rest. Every error is a [*Fault]. Of two accounts with one short
// server ID, and of two bootstrap accounts, that of the lower instance counts.
func FromTree(tree *lwm2m.Tree) ([]messages.Account, []error) {
	accts, faults := fromTree(tree)
	if len(faults) == 0 {
		return accts, nil
	}
	return accts, faults.Unwrap()
}

func fromTree(tree *lwm2m.Tree) ([]messages.Account, Faults) {
	var accts []messages.Account
	var faults Faults
	seen := make(map[messages.Peer]bool)
	for _, inst := range tree.Instances(objects.Security) {
		a, wrong := account(tree, inst)
		if len(wrong) == 0 && seen[a.Peer] {
			wrong = Faults{duplicate(a)}
		}
		if len(wrong) > 0 {
			faults = append(faults, wrong...)
			continue
		}
		seen[a.Peer] = true
		accts = append(accts, a)
	}
	slices.SortFunc(accts, func(a, b messages.Account) int { return a.Peer.Compare(b.Peer) })
	return accts, faults
}

func duplicate(a messages.Account) *Fault {
	security := lwm2m.PathOf(objects.Security, a.SecurityInstance)
	if a.Peer == messages.BootstrapPeer() {
		return &Fault{Path: security.Child(objects.SecurityBootstrapServer), Reason: ReasonSecondBootstrap}
	}
	return &Fault{Path: security.Child(objects.SecurityShortServerID), Reason: ReasonDuplicate}
}

// account reads one Security instance and, for a management account, the
// Server instance that belongs to it.
func account(tree *lwm2m.Tree, inst uint16) (messages.Account, Faults) {
	r := newReader(tree, objects.Security, inst)
	address := r.need(objects.SecurityServerURI, lwm2m.KindString)
	bootstrap := r.need(objects.SecurityBootstrapServer, lwm2m.KindBoolean)
	mode := r.need(objects.SecurityMode, lwm2m.KindInteger)
	if !r.ok() {
		return messages.Account{}, r.faults
	}
	a := messages.Account{SecurityInstance: inst, Server: address.Text()}
	a.URI = r.uri(address.Text(), mode.Int() != objects.ModeNoSec)
	r.room(a.URI, bootstrap.Bool())
	a.Credentials = r.credentials(mode.Int())
	a.Enrols = a.Credentials.Mode == messages.SecurityEST
	if bootstrap.Bool() {
		if a.Enrols {
			r.fault(objects.SecurityMode, ReasonEST, nil)
		}
		a.Peer, a.HoldOff = messages.BootstrapPeer(), r.holdOff()
		return a, r.faults
	}
	a.Peer = r.shortServerID()
	if !r.ok() {
		return a, r.faults
	}
	return a, readServer(tree, &a)
}

// uri reads the server URI; secured is what the security mode asks for.
func (r *reader) uri(text string, secured bool) uri.URI {
	if text == "" {
		r.fault(objects.SecurityServerURI, ReasonEmpty, nil)
		return uri.URI{}
	}
	u, err := uri.Parse(text)
	if err != nil {
		r.fault(objects.SecurityServerURI, ReasonURI, err)
		return uri.URI{}
	}
	if u.Secure() != secured {
		r.fault(objects.SecurityServerURI, ReasonScheme, nil)
	}
	return u
}

// room demands that every request to the server can be sent. A URI that could
// not be read is empty here and leaves all the room.
func (r *reader) room(server uri.URI, bootstrap bool) {
	err := requests.CheckManagement(server, false)
	if bootstrap {
		err = requests.CheckBootstrap(server)
	}
	if err != nil {
		r.fault(objects.SecurityServerURI, ReasonURIRoom, err)
	}
}

func (r *reader) holdOff() time.Duration {
	seconds := r.optional(objects.SecurityClientHoldOffTime, lwm2m.KindInteger).Int()
	if seconds < 0 {
		r.fault(objects.SecurityClientHoldOffTime, ReasonRange, nil)
		return 0
	}
	return time.Duration(min(seconds, maxHoldOff)) * time.Second
}

func (r *reader) shortServerID() messages.Peer {
	before := len(r.faults)
	id := r.need(objects.SecurityShortServerID, lwm2m.KindInteger).Int()
	if len(r.faults) == before && (id < 1 || id >= lwm2m.MaxID) {
		r.fault(objects.SecurityShortServerID, ReasonRange, nil)
	}
	return messages.ManagementPeer(uint16(id))
}

// readServer completes a management account from its Server instance. The
// Registration Update Trigger (/1/x/8) is mandatory too, but an executable
// resource is never stored.
func readServer(tree *lwm2m.Tree, a *messages.Account) Faults {
	inst, fault := serverOf(tree, a)
	if fault != nil {
		return Faults{fault}
	}
	r := newReader(tree, objects.Server, inst)
	a.ServerInstance = inst
	a.Lifetime = r.lifetime()
	a.Disable = r.disableTimeout()
	r.need(objects.ServerNotificationStoring, lwm2m.KindBoolean)
	a.Queue = r.queueMode(a.URI)
	a.Retry = r.retry()
	return r.faults
}

// serverOf finds the one Server instance with the account's short server ID.
func serverOf(tree *lwm2m.Tree, a *messages.Account) (uint16, *Fault) {
	var found []uint16
	for _, inst := range tree.Instances(objects.Server) {
		id, ok := tree.Value(lwm2m.PathOf(objects.Server, inst, objects.ServerShortServerID))
		if ok && id.Kind() == lwm2m.KindInteger && id.Int() == int64(a.Peer.ID) {
			found = append(found, inst)
		}
	}
	switch len(found) {
	case 0:
		path := lwm2m.PathOf(objects.Security, a.SecurityInstance, objects.SecurityShortServerID)
		return 0, &Fault{Path: path, Reason: ReasonNoServer}
	case 1:
		return found[0], nil
	}
	return 0, &Fault{Path: lwm2m.PathOf(objects.Server, found[1], objects.ServerShortServerID), Reason: ReasonDuplicate}
}

// lifetime reads /1/x/1; 0 is infinite.
func (r *reader) lifetime() time.Duration {
	seconds := r.need(objects.ServerLifetime, lwm2m.KindInteger).Int()
	if seconds < 0 {
		r.fault(objects.ServerLifetime, ReasonRange, nil)
		return 0
	}
	return time.Duration(min(seconds, maxLifetime)) * time.Second
}

// disableTimeout reads /1/x/5; nil where it is not written.
func (r *reader) disableTimeout() *time.Duration {
	if !r.has(objects.ServerDisableTimeout) {
		return nil
	}
	seconds := r.optional(objects.ServerDisableTimeout, lwm2m.KindInteger).Int()
	if seconds < 0 {
		r.fault(objects.ServerDisableTimeout, ReasonRange, nil)
		return nil
	}
	return new(time.Duration(min(seconds, maxLifetime)) * time.Second)
}

// queueMode reads from /1/x/7 whether the client is in queue mode, which takes room in
// a Register.
func (r *reader) queueMode(server uri.URI) bool {
	if !strings.Contains(r.need(objects.ServerBinding, lwm2m.KindString).Text(), queueMode) {
		return false
	}
	if err := requests.CheckManagement(server, true); err != nil {
		r.fault(objects.ServerBinding, ReasonURIRoom, err)
	}
	return true
}

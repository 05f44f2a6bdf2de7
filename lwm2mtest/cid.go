package lwm2mtest

import (
	"encoding/binary"
	"net/netip"

	"github.com/pion/dtls/v2"
)

// cidSize is the length of the Connection IDs that a service hands out, in bytes.
const cidSize = 8

// offerCID has the handshake of a session give the client a Connection ID, if it offers
// to use one. The lock is held.
func (v *Service) offerCID(x *session, config *dtls.Config) {
	if !v.security.ConnectionID {
		return
	}
	v.server.cids++
	x.cid = string(binary.BigEndian.AppendUint64(nil, v.server.cids))
	v.byCID[x.cid] = x
	config.ConnectionIDGenerator = func() []byte { return []byte(x.cid) }
}

// found returns the session that a datagram belongs to: by the Connection ID of its first
// record, or by where it comes from. The lock is held.
func (v *Service) found(from netip.AddrPort, data []byte) *session {
	if len(data) > cidAt+cidSize && data[0] == recordCID {
		return v.byCID[string(data[cidAt:cidAt+cidSize])]
	}
	return v.sessions[from]
}

// cidAt is where a record has its Connection ID (RFC 9146 section 4).
const cidAt = 11

// moved notes that the client of a session has sent an authentic record from another
// address: whoever had it before has lost his. The lock is held.
func (x *session) moved(to netip.AddrPort) {
	if to == x.remote || x.tunnel.muted.Load() {
		return
	}
	v := x.service
	if v.sessions[x.remote] == x {
		delete(v.sessions, x.remote)
	}
	x.remote = to
	v.sessions[to] = x
	if x.peer != nil {
		x.peer.remote = to
	}
}

// identityOf returns who the client of a session is. Of one that is resumed the library
// does not know: it is who it was. The lock is held.
func (v *Service) identityOf(session, proven string) string {
	switch {
	case session == "":
		return proven
	case proven == "":
		return v.identities[session]
	}
	v.identities[session] = proven
	return proven
}

// resumable are the sessions of a service that clients may resume by their IDs, with
// their secrets. The server's lock guards it.
type resumable struct{ service *Service }

// Set implements dtls.SessionStore.
func (r resumable) Set(id []byte, s dtls.Session) error {
	r.service.server.mu.Lock()
	defer r.service.server.mu.Unlock()
	r.service.secrets[string(id)] = s
	return nil
}

// Get implements dtls.SessionStore.
func (r resumable) Get(id []byte) (dtls.Session, error) {
	r.service.server.mu.Lock()
	defer r.service.server.mu.Unlock()
	return r.service.secrets[string(id)], nil
}

// Del implements dtls.SessionStore.
func (r resumable) Del(id []byte) error {
	r.service.server.mu.Lock()
	defer r.service.server.mu.Unlock()
	delete(r.service.secrets, string(id))
	return nil
}

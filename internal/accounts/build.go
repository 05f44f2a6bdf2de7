package accounts

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// ToTree makes objects 0 and 1 of configured accounts. The bootstrap account,
// if there is one, is /0/0; the management accounts follow in their order, with
// Server instances from /1/0 on. The accounts' own instance numbers are not
// looked at; [FromTree] returns the accounts with those that were given out.
func ToTree(accts []messages.Account) *lwm2m.Tree {
	tree := lwm2m.NewTree()
	tree.PutObject(objects.Security)
	tree.PutObject(objects.Server)
	ordered := slices.Clone(accts)
	slices.SortStableFunc(ordered, bootstrapFirst)
	server := uint16(0)
	for i, a := range ordered {
		tree.PutInstance(objects.Security, security(uint16(i), a))
		if a.Peer != messages.BootstrapPeer() {
			tree.PutInstance(objects.Server, serverInstance(server, a))
			server++
		}
	}
	return tree
}

func bootstrapFirst(a, b messages.Account) int {
	switch aIs, bIs := a.Peer == messages.BootstrapPeer(), b.Peer == messages.BootstrapPeer(); {
	case aIs == bIs:
		return 0
	case aIs:
		return -1
	default:
		return 1
	}
}

func security(inst uint16, a messages.Account) lwm2m.Instance {
	identity, serverKey, secret := material(a.Credentials)
	server := a.Server
	if server == "" {
		server = a.URI.String()
	}
	resources := make([]lwm2m.Resource, 0, mostSecurity)
	add := func(id uint16, v lwm2m.Value) { resources = append(resources, lwm2m.Resource{ID: id, Value: v}) }
	add(objects.SecurityServerURI, lwm2m.String(server))
	add(objects.SecurityBootstrapServer, lwm2m.Boolean(a.Peer == messages.BootstrapPeer()))
	add(objects.SecurityMode, lwm2m.Integer(int64(a.Credentials.Mode)))
	add(objects.SecurityPublicKeyOrIdentity, lwm2m.Opaque(identity))
	add(objects.SecurityServerPublicKey, lwm2m.Opaque(serverKey))
	add(objects.SecuritySecretKey, lwm2m.Opaque(secret))
	optionalSecurity(a, add)
	return lwm2m.Instance{ID: inst, Resources: resources}
}

// mostSecurity is how many resources security gives an instance at most.
const mostSecurity = 10

// material returns the contents of resources 3, 4 and 5.
func material(c messages.Credentials) (identity, server, secret []byte) {
	switch c.Mode {
	case messages.SecurityPSK:
		return []byte(c.Identity), nil, c.Key
	case messages.SecurityX509, messages.SecurityRPK:
		return slices.Concat(c.Certificate...), slices.Concat(c.ServerCertificates...), c.PrivateKey
	case messages.SecurityEST:
		return nil, slices.Concat(c.ServerCertificates...), nil
	}
	return nil, nil, nil
}

func optionalSecurity(a messages.Account, add func(id uint16, v lwm2m.Value)) {
	if a.Peer != messages.BootstrapPeer() {
		add(objects.SecurityShortServerID, lwm2m.Integer(int64(a.Peer.ID)))
	} else if a.HoldOff > 0 {
		add(objects.SecurityClientHoldOffTime, lwm2m.Integer(int64(a.HoldOff/time.Second)))
	}
	if a.Credentials.ServerName != "" {
		add(objects.SecuritySNI, lwm2m.String(a.Credentials.ServerName))
	}
	if mode := a.Credentials.Mode; mode == messages.SecurityX509 || mode == messages.SecurityEST {
		add(objects.SecurityCertificateUsage, lwm2m.Unsigned(uint64(a.Credentials.Usage)))
	}
	if matching := a.Credentials.Matching; matching != messages.MatchExact {
		add(objects.SecurityMatchingType, lwm2m.Unsigned(uint64(matching)))
	}
}

func serverInstance(inst uint16, a messages.Account) lwm2m.Instance {
	return lwm2m.Instance{ID: inst, Resources: []lwm2m.Resource{
		{ID: objects.ServerShortServerID, Value: lwm2m.Integer(int64(a.Peer.ID))},
		{ID: objects.ServerLifetime, Value: lwm2m.Integer(int64(a.Lifetime / time.Second))},
		{ID: objects.ServerNotificationStoring, Value: lwm2m.Boolean(true)},
		{ID: objects.ServerBinding, Value: lwm2m.String("U")},
	}}
}

package scenario

import (
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// deliver says what the bootstrap server does to whoever asks: the lines of
// input are
//
//	discover PATH...
//	delete PATH...
//	account [at=SERVER] [security=nosec|psk|x509|est] [object0=N] [object1=N]
//	        [id=N] [lifetime=D] [uri=URI] [valid-in=D] [valid-for=D] [half]
//	        [priority=N] [delay=D] [block]
//	itself [object0=N] [uri=URI] [id=N] [sms]
//	access PATH [object2=N] [owner=N] [1=RIGHTS] [2=RIGHTS]
//	read PATH...
//
// An account is a Security and a Server instance; half of it only the first.
// Itself is the account of the bootstrap server, with all the resources that servers
// write there though they mean nothing; with sms, keys of no use for a binding that
// is not used. Access is an instance of object 2: who owns an object instance, or may
// create those of an object, and what each server may do, in letters of R, W, E, D and C.
// The order is always that of this list; Finish ends it, unless no-finish is
// given. The server stops at what is refused. With every=D it takes its time
// before each operation.
func (s *stage) deliver(c *command) {
	config := lwm2mtest.BootstrapConfig{NoFinish: c.has("no-finish")}
	if every := c.duration("every", 0); every > 0 {
		config.Before = pausing(every)
	}
	for _, o := range c.operations() {
		switch o.verb {
		case "discover":
			config.Discover = append(config.Discover, o.words...)
		case "delete":
			config.Delete = append(config.Delete, o.words...)
		case "read":
			config.Read = append(config.Read, o.words...)
		case "itself":
			config.Writes = append(config.Writes, s.itself(o))
		case "access":
			config.Writes = append(config.Writes, access(o))
		case "account":
			config.Writes = append(config.Writes, s.accountWrites(o)...)
		default:
			o.fatalf("there is no such operation")
		}
	}
	s.servers[bootstrap].SetBootstrap("", config)
}

// pausing waits before each operation.
func pausing(d time.Duration) func(context.Context, lwm2mtest.BootstrapStep) error {
	return func(ctx context.Context, _ lwm2mtest.BootstrapStep) error {
		over, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		<-over.Done()
		return ctx.Err()
	}
}

func (s *stage) accountWrites(o *command) []lwm2mtest.BootstrapWrite {
	half, first, order := o.has("half"), o.args["object0"] == "0", o.order()
	writes := s.delivered(o).Writes()
	at, _ := lwm2m.ParsePath(writes[1].Path) // it is one of a Server instance
	for _, id := range slices.Sorted(maps.Keys(order)) {
		writes[1].Nodes = append(writes[1].Nodes, lwm2m.Node{Path: at.Child(id), Value: order[id]})
	}
	if first {
		toFirst(&writes[0])
	}
	if half {
		return writes[:1]
	}
	return writes
}

// order are the resources /1/x/13 to 15 of an account, as far as they are given.
func (c *command) order() map[uint16]lwm2m.Value {
	values := map[uint16]lwm2m.Value{}
	if c.given("priority") {
		values[objects.ServerRegistrationPriorityOrder] = lwm2m.Unsigned(uint64(c.number("priority", 0)))
	}
	if delay := c.duration("delay", 0); delay > 0 {
		values[objects.ServerInitialRegistrationDelayTimer] = lwm2m.Unsigned(uint64(delay.Seconds()))
	}
	if c.has("block") {
		values[objects.ServerRegistrationFailureBlock] = lwm2m.Boolean(true)
	}
	return values
}

// itself is the bootstrap account as its server writes it back.
func (s *stage) itself(o *command) lwm2mtest.BootstrapWrite {
	at := lwm2m.PathOf(objects.Security, uint16(o.number("object0", 0)))
	values := map[uint16]lwm2m.Value{
		objects.SecurityServerURI:           lwm2m.String(o.text("uri", "coap://"+s.servers[bootstrap].host.Addr().String())),
		objects.SecurityBootstrapServer:     lwm2m.Boolean(true),
		objects.SecurityMode:                lwm2m.Integer(3),
		objects.SecurityPublicKeyOrIdentity: lwm2m.Opaque(nil),
		objects.SecurityServerPublicKey:     lwm2m.Opaque(nil),
		objects.SecuritySecretKey:           lwm2m.Opaque(nil),
		objects.SecurityShortServerID:       lwm2m.Integer(int64(o.number("id", 0))),
		objects.SecurityClientHoldOffTime:   lwm2m.Integer(0),
	}
	if o.has("sms") {
		values[objects.SecuritySMSSecurityMode] = lwm2m.Integer(3)
		values[objects.SecuritySMSBindingKeyParameters] = lwm2m.Opaque([]byte{1, 2, 3})
		values[objects.SecuritySMSBindingSecretKeys] = lwm2m.Opaque(make([]byte, 7))
	}
	o.spent()
	w := lwm2mtest.BootstrapWrite{Path: at.String()}
	for _, id := range slices.Sorted(maps.Keys(values)) {
		w.Nodes = append(w.Nodes, lwm2m.Node{Path: at.Child(id), Value: values[id]})
	}
	return w
}

// toFirst has a Security instance written to /0/0, which an AccountConfig leaves to
// the bootstrap account.
func toFirst(w *lwm2mtest.BootstrapWrite) {
	at := lwm2m.PathOf(objects.Security, 0)
	w.Path = at.String()
	for i, n := range w.Nodes {
		w.Nodes[i].Path = at.Child(n.Path.Resource())
	}
}

// delivered is a management server's account.
func (s *stage) delivered(o *command) lwm2mtest.AccountConfig {
	v := s.at(o)
	a := lwm2mtest.AccountConfig{
		SecurityInstance: uint16(o.number("object0", 1)), ServerInstance: uint16(o.number("object1", 0)),
		ShortServerID: uint16(o.number("id", 1)), Lifetime: o.duration("lifetime", 0),
	}
	a.URI = "coap://" + v.host.Addr().String()
	switch o.text("security", "nosec") {
	case "psk":
		a.URI = "coaps://" + v.host.Addr().String()
		a.PSKIdentity, a.PSKKey = endpoint, keys[v.name]
	case "x509":
		a.URI = "coaps://" + v.host.Addr().String()
		s.enrol(o, v, &a)
	case "est":
		a.URI = "coaps://" + v.host.Addr().String()
		a.Enrol, a.ServerCertificate = true, v.certificate.Cert.Raw
	}
	a.URI = o.text("uri", a.URI)
	o.spent()
	return a
}

// enrol makes a certificate for the client, and pins the server's.
func (s *stage) enrol(o *command, v *server, a *lwm2mtest.AccountConfig) {
	own, err := s.ca.Issue(testpki.Request{
		Role: testpki.Client, CommonName: endpoint, ValidIn: o.duration("valid-in", 0), Lifetime: o.duration("valid-for", 0),
	})
	if err != nil {
		o.fatalf("%v", err)
	}
	key, err := own.KeyDER()
	if err != nil {
		o.fatalf("%v", err)
	}
	a.Certificate, a.PrivateKey, a.ServerCertificate = own.Cert.Raw, key, v.certificate.Cert.Raw
}

// enrolment has the bootstrap server enrol whoever it knows.
func (s *stage) enrolment(c *command) {
	issuer, err := lwm2mtest.NewAuthority("Enrolment CA")
	if err != nil {
		c.fatalf("%v", err)
	}
	s.issuer = issuer
	s.servers[bootstrap].SetEnrolment(&lwm2mtest.Enrolment{Authority: issuer, Lifetime: c.duration("lifetime", 0)})
}

func hexKey(server string) string { return hex.EncodeToString(keys[server]) }

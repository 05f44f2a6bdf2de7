package supervisor

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/messages"
)

// Advice is a remedy that is finer than that of a row of the recovery table: for
// what a security mode, an alert, an answer, or another protocol at the port tells of
// the cause.
// The first that fits wins.
type Advice struct {
	Classes []messages.Class
	Phases  []messages.Phase        // empty: every phase
	Modes   []messages.SecurityMode // empty: every mode
	Alerts  []uint8                 // empty: every alert, and none
	Answers []messages.CoAPCode     // empty: every answer, and none
	Foreign bool                    // only where what came is another protocol
	Remedy  string                  // what a person can do, in our words
}

// Groups of what shares a remedy.
var (
	withPSK  = []messages.SecurityMode{messages.SecurityPSK}
	withRPK  = []messages.SecurityMode{messages.SecurityRPK}
	withX509 = []messages.SecurityMode{messages.SecurityX509}
	inClear  = []messages.SecurityMode{messages.SecurityNoSec}
	secured  = []messages.SecurityMode{messages.SecurityPSK, messages.SecurityRPK, messages.SecurityX509}

	// nothingThere is what is answered where nothing listens to /rd or /bs.
	nothingThere = []messages.CoAPCode{messages.NotFound, messages.MethodNotAllowed}

	refusedCredentials = []messages.Class{messages.ClassCredentialsRefused, messages.ClassHandshakeStalled}
)

// Endings of remedies.
const (
	goesOn  = " The client goes on trying."
	newOnes = " The client asks its bootstrap server for others where it can, else provision them."
)

// advice goes from what is most telling to what is least.
var advice = []Advice{
	{Classes: []messages.Class{messages.ClassHandshakeTimeout}, Modes: secured, Foreign: true,
		Remedy: "What answers at this address and port does not speak DTLS. Check the port and the scheme of the URI: coap:// is for plain CoAP (5683 as a rule), coaps:// for DTLS (5684)." + goesOn},
	{Classes: []messages.Class{messages.ClassMalformed}, Modes: inClear, Foreign: true,
		Remedy: "What answers at this address and port speaks DTLS. Check the port and the scheme of the URI: coaps:// is for DTLS (5684 as a rule), coap:// for plain CoAP (5683)." + goesOn},
	{Classes: []messages.Class{messages.ClassHandshakeTimeout}, Modes: secured,
		Remedy: "Check that the server is running, that UDP datagrams pass in both directions, and that the port is one for DTLS (5684 as a rule): one for plain CoAP is silent like this." + goesOn},
	{Classes: []messages.Class{messages.ClassTimeout}, Phases: []messages.Phase{messages.PhaseRegister, messages.PhaseBootstrap}, Modes: inClear,
		Remedy: "Check that the server is running, that UDP datagrams pass in both directions, and that the port is one for plain CoAP (5683 as a rule): one for DTLS is silent like this." + goesOn},

	{Classes: []messages.Class{messages.ClassClosed}, Alerts: []uint8{0}, Phases: []messages.Phase{messages.PhaseRegister, messages.PhaseUpdate},
		Remedy: "The server closed the session before it was complete. Look at its log: it may be going down, or have no room for another session." + goesOn},

	{Classes: []messages.Class{messages.ClassRejected}, Phases: []messages.Phase{messages.PhaseRegister}, Answers: nothingThere,
		Remedy: "What answers at this address and port takes no registrations. Check the host, the port and the path of the URI: it may be the bootstrap server's." + goesOn},
	{Classes: []messages.Class{messages.ClassRejected}, Phases: []messages.Phase{messages.PhaseBootstrap}, Answers: nothingThere,
		Remedy: "What answers at this address and port bootstraps nobody, or does not know this endpoint. Check the host, the port and the path of the URI, which may be a management server's, and the endpoint name." + goesOn},

	{Classes: refusedCredentials, Modes: withPSK, Alerts: []uint8{115},
		Remedy: "The server does not know this device's PSK identity. Compare the identity with what the server has for this device; spaces and capitals count." + newOnes},
	{Classes: refusedCredentials, Modes: withPSK, Alerts: []uint8{20, 51},
		Remedy: "The server has another pre-shared key for this identity, or hides that it does not know the identity. Compare both with what the server has for this device." + newOnes},
	{Classes: refusedCredentials, Modes: withPSK, Alerts: []uint8{49},
		Remedy: "The server knows this device's PSK identity and denies it access. Enable the device there." + newOnes},
	{Classes: []messages.Class{messages.ClassHandshakeStalled}, Modes: withPSK,
		Remedy: "The server fell silent at the proof of the pre-shared key. Where that repeats it has another key for this identity, or does not know the identity: compare both with what the server has. Once, it may be a lost datagram." + newOnes},
	{Classes: refusedCredentials, Modes: withPSK,
		Remedy: "The server broke off at this device's PSK identity and key. Compare both with what the server has for this device, and look at its log." + newOnes},

	{Classes: refusedCredentials, Modes: withX509, Alerts: []uint8{45},
		Remedy: "For the server this device's certificate has expired, or is not valid yet. Check its validity, and the clocks of both machines." + newOnes},
	{Classes: refusedCredentials, Modes: withX509, Alerts: []uint8{44},
		Remedy: "This device's certificate has been revoked." + newOnes},
	{Classes: refusedCredentials, Modes: withX509, Alerts: []uint8{48},
		Remedy: "The server does not know the authority that issued this device's certificate. Install it at the server, or have the device's chain complete." + newOnes},
	{Classes: refusedCredentials, Modes: withX509, Alerts: []uint8{49},
		Remedy: "The server denies this device's certificate access. Enable the device there, and check that the server trusts the authority that issued the certificate: some say the same of both." + newOnes},
	{Classes: []messages.Class{messages.ClassHandshakeStalled}, Modes: withX509,
		Remedy: "The server fell silent at this device's certificate. Where that repeats it does not accept it, or large datagrams get lost on the way. Once, it may be a lost datagram." + newOnes},
	{Classes: refusedCredentials, Modes: withX509,
		Remedy: "The server does not accept this device's certificate. Compare its names and its issuer with what the server expects, and look at its log." + newOnes},

	{Classes: []messages.Class{messages.ClassHandshakeStalled}, Modes: withRPK,
		Remedy: "The server fell silent at this device's public key. Where that repeats it does not know the key: register it there. Once, it may be a lost datagram." + newOnes},
	{Classes: refusedCredentials, Modes: withRPK,
		Remedy: "The server does not accept this device's public key. Register the key there, and look at the server's log." + newOnes},

	{Classes: []messages.Class{messages.ClassAlert}, Alerts: []uint8{70},
		Remedy: "The server does not speak DTLS 1.2, or not at this port." + goesOn},
	{Classes: []messages.Class{messages.ClassAlert}, Alerts: []uint8{80, 90},
		Remedy: "The server has a trouble of its own. Look at its log." + goesOn},
	{Classes: []messages.Class{messages.ClassAlert}, Alerts: []uint8{112},
		Remedy: "The server does not know the name that it was asked for. Check the host name of the URI." + goesOn},
	{Classes: []messages.Class{messages.ClassAlert}, Modes: withPSK,
		Remedy: "Compare the cipher suites that server and client support, and check that the server takes pre-shared keys at this port." + goesOn},
	{Classes: []messages.Class{messages.ClassAlert}, Modes: withX509,
		Remedy: "Compare the cipher suites and the types of certificates that server and client support, and check that the server takes certificates at this port." + goesOn},
	{Classes: []messages.Class{messages.ClassAlert}, Modes: withRPK,
		Remedy: "Compare the cipher suites that server and client support, and check that the server takes raw public keys at this port." + goesOn},

	{Classes: []messages.Class{messages.ClassServerCertificate}, Modes: withRPK,
		Remedy: "Compare the server's public key with the one that this account has for it." + goesOn},
}

// Advices returns a copy of the finer remedies, for the documentation and its test.
func Advices() []Advice { return slices.Clone(advice) }

// remedyOf returns what a person can do about a failure of an account.
func remedyOf(row Row, f *messages.Failure, mode messages.SecurityMode) string {
	i := slices.IndexFunc(advice, func(a Advice) bool { return a.fits(f, mode) })
	if i < 0 || descriptors.Short(f.Cause) {
		return rowRemedy(row, f)
	}
	return advice[i].Remedy
}

// rowRemedy returns the row's remedy, unless the cause asks for another one, whatever
// it was that could not be opened.
func rowRemedy(row Row, f *messages.Failure) string {
	if descriptors.Short(f.Cause) {
		return remedyDescriptors
	}
	return row.Remedy
}

func (a Advice) fits(f *messages.Failure, mode messages.SecurityMode) bool {
	return slices.Contains(a.Classes, f.Class) &&
		(len(a.Phases) == 0 || slices.Contains(a.Phases, f.Phase)) &&
		(len(a.Modes) == 0 || slices.Contains(a.Modes, mode)) &&
		(len(a.Alerts) == 0 || f.Alert != nil && slices.Contains(a.Alerts, *f.Alert)) &&
		(len(a.Answers) == 0 || slices.Contains(a.Answers, f.Answer)) &&
		(!a.Foreign || f.Foreign)
}

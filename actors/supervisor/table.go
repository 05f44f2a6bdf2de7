package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Step is what the supervisor does about a failure.
type Step uint8

// The steps.
const (
	// Retry starts a fresh incarnation after the policy's delay: an Update
	// where a Location is known and the lifetime lasts, else a Register; a
	// bootstrap on the bootstrap account.
	Retry Step = iota + 1
	// RetryRegister is Retry without the Location.
	RetryRegister
	// Ladder starts a fresh incarnation at once, one Update on a new link
	// (docs/design.md, Silence).
	Ladder
	// Bootstrap asks the bootstrap server for new credentials after the
	// policy's delay, keeping the old until the new are stored. Without a
	// bootstrap account it is Retry after an answer, and else Reload: new
	// credentials can only come from files then.
	Bootstrap
	// RepeatUpdate keeps link and Location and repeats the Update after the
	// policy's delay or the server's floor.
	RepeatUpdate
	// RepeatRegister keeps the link and registers anew after the policy's
	// delay.
	RepeatRegister
	// Reload is Retry, with store and named files read anew before.
	Reload
	// Ignore changes nothing.
	Ignore
)

// Row is one line of the recovery table: which failures it is for, how they
// are reported, and what is done. The first row that matches wins.
type Row struct {
	Class   messages.Class
	Also    []messages.Class    // that are treated in the same way
	Phases  []messages.Phase    // empty: every phase
	Answers []messages.CoAPCode // empty: every answer
	// Twice restricts the row to the second of two consecutive attempts
	// that end with the same class: a single alert is forgeable, a single
	// silence may be loss.
	Twice  bool
	Code   messages.ErrorCode
	Step   Step
	Remedy string // what a person can do, in our words
}

// Remedies, by cause.
const (
	remedyNetwork     = "Check that the server's address and port can be reached from this network, and that no firewall rejects UDP. The client goes on trying."
	remedyTimeout     = "Check that the server is running and that UDP datagrams pass in both directions. The client goes on trying."
	remedyServerBusy  = "Nothing needs to be done: the server asked for a pause and the client keeps it."
	remedyServer      = "Look at the server's log: it answers with an error. The client goes on trying."
	remedyParameters  = "Check the endpoint name, the account and the server's URI with whoever runs the server. The client asks for new credentials or goes on trying."
	remedyBootstrap   = "Check on the bootstrap server that this endpoint is known, that its credentials are enabled, and that the account's device quota is not used up. The client goes on trying and connects as soon as there is room."
	remedyBootstrapIn = "Look at what the bootstrap server writes: the accounts that it delivered cannot be used. The former accounts stay in use."
	remedyEndless     = "Look at what the bootstrap server does: it goes on without Bootstrap-Finish. Raise bootstrap_timeout if it needs longer. The former accounts stay in use."
	remedyCertificate = "Check the server's certificate against the configured trust, its names and its validity, and check this machine's clock."
	remedyOwn         = "The server does not accept this device's credentials. The client asks its bootstrap server for others where it can, else provision them."
	remedyClock       = "Set this machine's clock, or let it be set (NTP): by it a certificate is not valid yet, or it stands before a time that has passed. The credentials stay; the client goes on trying, and at once when the clock is set."
	remedySuite       = "Compare the cipher suites and the security modes that server and client support. The client goes on trying."
	remedyExpired     = "This device's certificate has expired. The client asks its bootstrap server for another one where it can, else provision one."
	remedyClosed      = "The server closed the session. Look at its log for why: it may have restarted, ended an idle session, or given way to another device with the same credentials. The client connects anew."
	remedyClosedIn    = "The bootstrap server closed the session. Look at its log for why, and check there that this endpoint is known, that its credentials are enabled, and that the account's device quota is not used up. The client goes on trying."
	remedyDNS         = "Check the server's host name and this machine's resolver. The client goes on resolving."
	remedyStore       = "Check the disk under the state directory: space, permissions, file-system errors. What was stored before stays in use."
	remedyRead        = "Check the disk under the state directory. What cannot be used is kept for inspection. Meanwhile the generation before it counts, else the factory's account, else a bootstrap brings new ones."
	remedyFactory     = "The credentials cannot be used. Correct the files that the configuration names, or go back to the factory credentials, then try again."
	remedyParse       = "The server, or something that pretends to be it, sends messages that are not CoAP. Compare the two CoAP implementations."
	remedyMemory      = "Raise the limit that the message names, or have the server send less."
	remedyNotAllowed  = "Wait for the state that the call needs; the events tell it."
	remedyDescriptors = "As many files and sockets are open as the limit in the detail allows: raise it (LimitNOFILE= of a systemd unit, ulimit -n of a shell). A client takes one for its state directory and one for each server, and a few more for a moment. The client goes on trying."
	remedyImageOwn    = "The server of the image does not accept the credentials of firmware.download, or they have expired: provision others. The client goes on trying."
	remedyImageKeys   = "Give the credentials for the server of the image in firmware.download, and check the files that it names. The client goes on trying."
	remedyImage       = "Look at the log of the server of the image, and check the image's URI with whoever ordered the update. The client goes on trying."
	remedyImageURI    = "Have the update ordered with another URI, or allow the host by name in firmware.allow_hosts. The client goes on trying."
	remedyImageDisk   = "Check the disk under the folder for images (firmware.dir): space, permissions, file-system errors. The client goes on trying."
	remedyImageName   = "Check the host name in the image's URI, and this machine's resolver. The client goes on trying."
	remedyImageLink   = "Check that the server of the image is running, and that it can be reached from this network: name, address, port, firewalls. The client goes on trying."
	remedyImageClosed = "The server of the image closed the connection. Look at its log for why. The client goes on trying."
	remedyImageStall  = "The server of the image fell silent at the credentials of firmware.download. Where that repeats it does not accept them: compare them with what it has. Once, it may be a lost datagram. The client goes on trying."
	remedyImageAlert  = "Look at the log of the server of the image: it may not accept the credentials of firmware.download, or support none of the client's versions of TLS and cipher suites. The client goes on trying."
	remedyEnrolment   = "Look at the log of the server that issues this device's certificates: it refuses, or what it issues does not fit. The present certificate stays in use while it is valid. The client goes on trying."
	remedyNewRefused  = "A handshake for this device's new certificate has failed, or one with the server that issues it: see the cause, and compare what both servers trust and accept. The present certificate stays in use while it is valid. The client goes on trying."
	remedyEnrolLink   = "Check that the server is running, and that it can be reached from this network: name, address, port, firewalls. The present certificate stays in use while it is valid. The client goes on trying."
	remedyMoved       = "Nothing needs to be done: the client goes on from the address that this machine has by now."
	remedyUnknown     = "Please report this with the detail given. The client goes on trying."
)

// table is the recovery table (docs/design.md, The recovery table), in order of
// matching.
var table = []Row{
	// The download of an image, where what is done about other links would be wrong.
	{Class: messages.ClassCredentialsRefused, Phases: ofImages, Code: messages.ConnectSecureConnectionFailed, Step: Retry, Remedy: remedyImageOwn},
	{Class: messages.ClassHandshakeStalled, Phases: ofImages, Code: messages.ConnectTimeout, Step: Retry, Remedy: remedyImageStall},
	{Class: messages.ClassAlert, Phases: ofImages, Code: messages.ConnectSecureConnectionFailed, Step: Retry, Remedy: remedyImageAlert},
	{Class: messages.ClassOwnCertificate, Phases: ofImages, Code: messages.ConnectSecureConnectionFailed, Step: Retry, Remedy: remedyImageOwn},
	{Class: messages.ClassClock, Phases: ofImages, Code: messages.ConnectSecureConnectionFailed, Step: Retry, Remedy: remedyClock},
	{Class: messages.ClassServerCertificate, Phases: ofImages, Code: messages.ConnectSecureConnectionFailed, Step: Retry, Remedy: remedyCertificate},
	{Class: messages.ClassBadCredentials, Phases: ofImages, Code: messages.ConnectorInvalidCredentials, Step: Retry, Remedy: remedyImageKeys},
	{Class: messages.ClassRejected, Answers: overloaded, Phases: ofImages, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyServerBusy},
	{Class: messages.ClassRejected, Phases: ofImages, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyImage},
	{Class: messages.ClassBadAnswer, Phases: ofImages, Code: messages.ConnectResponseParseFailed, Step: Retry, Remedy: remedyImage},
	{Class: messages.ClassStoreWrite, Phases: ofImages, Code: messages.ConnectorFailedToStoreCredentials, Step: Retry, Remedy: remedyImageDisk},
	{Class: messages.ClassStoreRead, Phases: ofImages, Code: messages.ConnectorFailedToReadCredentials, Step: Retry, Remedy: remedyImageDisk},
	{Class: messages.ClassDNS, Phases: ofImages, Code: messages.ConnectDNSResolvingFailed, Step: Retry, Remedy: remedyImageName},
	{Class: messages.ClassRefused, Phases: ofImages, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyImageLink},
	{Class: messages.ClassUnreachable, Phases: ofImages, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyImageLink},
	{Class: messages.ClassSocket, Phases: ofImages, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyImageLink},
	{Class: messages.ClassClosed, Phases: ofImages, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyImageClosed},
	{Class: messages.ClassHandshakeTimeout, Phases: ofImages, Code: messages.ConnectTimeout, Step: Retry, Remedy: remedyImageLink},
	{Class: messages.ClassTimeout, Phases: ofImages, Code: messages.ConnectTimeout, Step: Retry, Remedy: remedyImageLink},
	{Class: messages.ClassSilence, Phases: ofImages, Code: messages.ConnectTimeout, Step: Retry, Remedy: remedyImageLink},
	{Class: messages.ClassConfiguration, Phases: ofImages, Code: messages.ConnectInvalidParameters, Step: Retry, Remedy: remedyImageURI},

	// What is done for another certificate: the one in use stays, and its link with it.
	{Class: messages.ClassClock, Phases: ofEnrolment, Code: messages.EnrolmentFailed, Step: Reload, Remedy: remedyClock},
	{Class: messages.ClassRejected, Answers: overloaded, Phases: ofEnrolment, Code: messages.EnrolmentFailed, Step: Retry, Remedy: remedyServerBusy},
	{Class: messages.ClassRejected, Also: badCertificates, Phases: ofEnrolment, Code: messages.EnrolmentFailed, Step: Retry, Remedy: remedyEnrolment},
	{Class: messages.ClassCredentialsRefused, Also: badHandshakes, Phases: ofEnrolment, Code: messages.EnrolmentFailed, Step: Retry, Remedy: remedyNewRefused},
	{Class: messages.ClassTimeout, Also: badLinks, Phases: ofEnrolment, Code: messages.EnrolmentFailed, Step: Retry, Remedy: remedyEnrolLink},

	{Class: messages.ClassDNS, Code: messages.ConnectDNSResolvingFailed, Step: Retry, Remedy: remedyDNS},
	{Class: messages.ClassRefused, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyNetwork},
	{Class: messages.ClassUnreachable, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyNetwork},
	{Class: messages.ClassSocket, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyNetwork},
	{Class: messages.ClassClosed, Phases: []messages.Phase{messages.PhaseBootstrap}, Code: messages.ConnectBootstrapFailed, Step: Retry, Remedy: remedyClosedIn},
	{Class: messages.ClassClosed, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyClosed},

	{Class: messages.ClassHandshakeTimeout, Code: messages.ConnectTimeout, Step: Retry, Remedy: remedyTimeout},
	{Class: messages.ClassHandshakeStalled, Twice: true, Code: messages.ConnectSecureConnectionFailed, Step: Bootstrap, Remedy: remedyOwn},
	{Class: messages.ClassHandshakeStalled, Code: messages.ConnectTimeout, Step: Retry, Remedy: remedyTimeout},
	{Class: messages.ClassCredentialsRefused, Twice: true, Code: messages.ConnectSecureConnectionFailed, Step: Bootstrap, Remedy: remedyOwn},
	{Class: messages.ClassCredentialsRefused, Code: messages.ConnectSecureConnectionFailed, Step: Retry, Remedy: remedyOwn},
	{Class: messages.ClassOwnCertificate, Code: messages.ConnectSecureConnectionFailed, Step: Bootstrap, Remedy: remedyExpired},
	{Class: messages.ClassClock, Code: messages.ConnectSecureConnectionFailed, Step: Reload, Remedy: remedyClock},
	{Class: messages.ClassAlert, Code: messages.ConnectSecureConnectionFailed, Step: Retry, Remedy: remedySuite},
	{Class: messages.ClassServerCertificate, Code: messages.ConnectSecureConnectionFailed, Step: Reload, Remedy: remedyCertificate},
	{Class: messages.ClassBadCredentials, Code: messages.ConnectorInvalidCredentials, Step: Reload, Remedy: remedyFactory},

	{Class: messages.ClassTimeout, Code: messages.ConnectTimeout, Step: Retry, Remedy: remedyTimeout},
	{Class: messages.ClassSilence, Phases: []messages.Phase{messages.PhaseUpdate, messages.PhaseRegistered}, Code: messages.ConnectNetworkError, Step: Ladder, Remedy: remedyNetwork},
	{Class: messages.ClassSilence, Phases: []messages.Phase{messages.PhaseClose}, Code: messages.ConnectorUnregistrationFailed, Step: Ignore, Remedy: remedyNetwork},
	{Class: messages.ClassSilence, Code: messages.ConnectTimeout, Step: Retry, Remedy: remedyTimeout},

	{Class: messages.ClassReset, Phases: []messages.Phase{messages.PhaseBootstrap}, Code: messages.ConnectBootstrapFailed, Step: Retry, Remedy: remedyBootstrap},
	{Class: messages.ClassReset, Phases: []messages.Phase{messages.PhaseUpdate}, Code: messages.ConnectNetworkError, Step: RepeatRegister, Remedy: remedyServer},
	{Class: messages.ClassReset, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyServer},

	{Class: messages.ClassRejected, Phases: []messages.Phase{messages.PhaseBootstrap}, Code: messages.ConnectBootstrapFailed, Step: Retry, Remedy: remedyBootstrap},
	{Class: messages.ClassRejected, Answers: overloaded, Phases: []messages.Phase{messages.PhaseUpdate}, Code: messages.ConnectNetworkError, Step: RepeatUpdate, Remedy: remedyServerBusy},
	{Class: messages.ClassRejected, Answers: overloaded, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyServerBusy},
	{Class: messages.ClassRejected, Answers: refusedParameters, Phases: []messages.Phase{messages.PhaseRegister}, Code: messages.ConnectInvalidParameters, Step: Bootstrap, Remedy: remedyParameters},
	{Class: messages.ClassRejected, Answers: serverErrors, Phases: []messages.Phase{messages.PhaseUpdate}, Twice: true, Code: messages.ConnectNetworkError, Step: RepeatRegister, Remedy: remedyServer},
	{Class: messages.ClassRejected, Answers: serverErrors, Phases: []messages.Phase{messages.PhaseUpdate}, Code: messages.ConnectNetworkError, Step: RepeatUpdate, Remedy: remedyServer},
	{Class: messages.ClassRejected, Phases: []messages.Phase{messages.PhaseUpdate}, Code: messages.ConnectNetworkError, Step: RepeatRegister, Remedy: remedyServer},
	{Class: messages.ClassRejected, Code: messages.ConnectNetworkError, Step: RetryRegister, Remedy: remedyServer},

	{Class: messages.ClassBadAnswer, Phases: []messages.Phase{messages.PhaseBootstrap}, Code: messages.ConnectBootstrapFailed, Step: Retry, Remedy: remedyBootstrap},
	{Class: messages.ClassBadAnswer, Phases: []messages.Phase{messages.PhaseUpdate}, Code: messages.ConnectResponseParseFailed, Step: RepeatRegister, Remedy: remedyParse},
	{Class: messages.ClassBadAnswer, Code: messages.ConnectResponseParseFailed, Step: RetryRegister, Remedy: remedyParse},
	{Class: messages.ClassMalformed, Code: messages.ConnectResponseParseFailed, Step: Ignore, Remedy: remedyParse},

	{Class: messages.ClassBootstrapSilence, Code: messages.ConnectBootstrapFailed, Step: Retry, Remedy: remedyBootstrap},
	{Class: messages.ClassBootstrapTimeout, Code: messages.ConnectTimeout, Step: Retry, Remedy: remedyEndless},
	{Class: messages.ClassBootstrapData, Code: messages.ConnectBootstrapFailed, Step: Retry, Remedy: remedyBootstrapIn},
	{Class: messages.ClassStoreWrite, Code: messages.ConnectorFailedToStoreCredentials, Step: Retry, Remedy: remedyStore},
	{Class: messages.ClassStoreRead, Code: messages.ConnectorFailedToReadCredentials, Step: Retry, Remedy: remedyRead},
	{Class: messages.ClassBudget, Code: messages.ConnectMemoryConnectFail, Step: Retry, Remedy: remedyMemory},
	{Class: messages.ClassConfiguration, Code: messages.ConnectInvalidParameters, Step: Ignore, Remedy: remedyParameters},
	{Class: messages.ClassMoved, Phases: ofImages, Code: messages.ConnectNetworkError, Step: Retry, Remedy: remedyMoved},
	{Class: messages.ClassMoved, Code: messages.ConnectNetworkError, Step: Ladder, Remedy: remedyMoved},
	{Class: messages.ClassCrash, Code: messages.ConnectUnknownError, Step: Retry, Remedy: remedyUnknown},
	{Class: messages.ClassUnknown, Code: messages.ConnectUnknownError, Step: Retry, Remedy: remedyUnknown},
}

// Groups that share a recovery.
var (
	ofImages        = []messages.Phase{messages.PhaseFirmware}
	ofEnrolment     = []messages.Phase{messages.PhaseEnrolment}
	badCertificates = []messages.Class{messages.ClassBadAnswer, messages.ClassReset, messages.ClassBootstrapData}
	badHandshakes   = []messages.Class{
		messages.ClassHandshakeStalled, messages.ClassOwnCertificate, messages.ClassAlert, messages.ClassServerCertificate,
		messages.ClassBadCredentials, messages.ClassConfiguration,
	}
	badLinks = []messages.Class{
		messages.ClassDNS, messages.ClassRefused, messages.ClassUnreachable, messages.ClassSocket, messages.ClassClosed,
		messages.ClassHandshakeTimeout, messages.ClassSilence,
	}
	overloaded        = []messages.CoAPCode{messages.TooManyRequests, messages.ServiceUnavailable}
	refusedParameters = []messages.CoAPCode{messages.BadRequest, messages.Forbidden, messages.PreconditionFailed}
	serverErrors      = answersOfClass(5)
)

func answersOfClass(class uint8) []messages.CoAPCode {
	codes := make([]messages.CoAPCode, 32)
	for detail := range codes {
		codes[detail] = messages.NewCoAPCode(class, uint8(detail))
	}
	return codes
}

// Table returns a copy of the recovery table, for the documentation and its
// test.
func Table() []Row { return slices.Clone(table) }

// Lookup returns the row for a failure. twice says that the attempt before
// ended with the same class. Every class has a row without conditions, so that
// there always is one.
func Lookup(f *messages.Failure, twice bool) Row {
	i := slices.IndexFunc(table, func(r Row) bool { return r.matches(f, twice) })
	if i < 0 {
		return table[len(table)-1]
	}
	return table[i]
}

func (r Row) matches(f *messages.Failure, twice bool) bool {
	return (r.Class == f.Class || slices.Contains(r.Also, f.Class)) &&
		(len(r.Phases) == 0 || slices.Contains(r.Phases, f.Phase)) &&
		(len(r.Answers) == 0 || slices.Contains(r.Answers, f.Answer)) &&
		(!r.Twice || twice)
}

// floorOf returns how long a server wants to be left alone after an answer of
// the overload kind, or 0.
func floorOf(f *messages.Failure) time.Duration {
	if f.Class != messages.ClassRejected || !slices.Contains(overloaded, f.Answer) {
		return 0
	}
	return Overload(f.MaxAge)
}

package supervisor

import "github.com/holdfast-iot/holdfast/messages"

// triggers says in words what makes a failure of a class.
var triggers = map[messages.Class]string{
	messages.ClassUnknown:            "nothing else classifies it; an attempt that ended without a report",
	messages.ClassDNS:                "the host name is not found, the resolver fails or is silent for 10 s, or there is no usable address",
	messages.ClassRefused:            "nobody listens on the port: ICMP port unreachable, ECONNREFUSED",
	messages.ClassUnreachable:        "no route, host or network unreachable, or a firewall prohibits it",
	messages.ClassSocket:             "any other error of the local socket",
	messages.ClassClosed:             "the server ended the DTLS session",
	messages.ClassHandshakeTimeout:   "nothing, or no whole flight of the server, came within the handshake's time",
	messages.ClassHandshakeStalled:   "the server said ServerHello and then nothing: a wrong key looks like this, and so does loss",
	messages.ClassAlert:              "a fatal alert in the handshake that does not blame this device's credentials, or no common cipher suite",
	messages.ClassCredentialsRefused: "a fatal alert in the handshake that blames this device's credentials, or 40, 47 or 80 in answer to a pre-shared key",
	messages.ClassServerCertificate:  "the server's certificate does not verify: chain, name, validity or pin",
	messages.ClassOwnCertificate:     "this device's certificate has expired, by its own clock",
	messages.ClassMoved:              "this machine reaches the server from another address by now; an event `moved` says so, in the place of an error, and nothing is counted",
	messages.ClassClock:              "a certificate, this device's or the server's, is not valid yet, or has expired by a clock that stands before a time that has passed",
	messages.ClassBadCredentials:     "there is no usable account, or a named file is missing, unparsable, expired or does not match its key",
	messages.ClassTimeout:            "the attempt's time is used up and nothing explicit failed",
	messages.ClassSilence:            "all resends of a request stayed unanswered",
	messages.ClassReset:              "the server answered a request with RST",
	messages.ClassRejected:           "the server answered a request with an error",
	messages.ClassBadAnswer:          "an answer that breaks the protocol, such as 2.01 without Location-Path",
	messages.ClassBootstrapSilence:   "the bootstrap server sent no operation for 247 s",
	messages.ClassBootstrapTimeout:   "the bootstrap server goes on without Bootstrap-Finish until `bootstrap_timeout`, 15 minutes, is over",
	messages.ClassBootstrapData:      "what the bootstrap server wrote does not hold together, and it did not repair it",
	messages.ClassMalformed:          "a message that is not CoAP",
	messages.ClassStoreWrite:         "credentials could not be written: disk full, read-only or broken, directory gone",
	messages.ClassStoreRead:          "credentials or a named file could not be read, or a record is damaged",
	messages.ClassBudget:             "a declared limit was exceeded",
	messages.ClassConfiguration:      "a parameter of the configuration is invalid",
	messages.ClassCrash:              "an actor panicked",
}

// Trigger says in words what makes a failure of a class; it is empty for what
// is no class.
func Trigger(c messages.Class) string { return triggers[c] }

// Sentences that several codes share.
const (
	registeredAgain = "Registered again without a person once the cause is gone."
	statedAnswer    = "The stated answer, and no effect on what comes next."
)

// recovered says what "recovered" means for each code (docs/design.md, The
// recovery table).
var recovered = map[messages.ErrorCode]string{
	messages.ConnectBootstrapFailed:            registeredAgain,
	messages.ConnectInvalidParameters:          "From the configuration: started once it is corrected. From a Register: registered again without a person, with new credentials or the old ones.",
	messages.ConnectorInvalidCredentials:       "Registered again without a restart once the credentials are usable again.",
	messages.ConnectNotRegistered:              statedAnswer,
	messages.ConnectTimeout:                    registeredAgain,
	messages.ConnectNetworkError:               registeredAgain,
	messages.ConnectResponseParseFailed:        "The next valid message is answered.",
	messages.ConnectUnknownError:               registeredAgain,
	messages.ConnectMemoryConnectFail:          registeredAgain,
	messages.ConnectNotAllowed:                 statedAnswer,
	messages.ConnectSecureConnectionFailed:     registeredAgain,
	messages.ConnectDNSResolvingFailed:         registeredAgain,
	messages.ConnectorUnregistrationFailed:     statedAnswer,
	messages.EnrolmentFailed:                   "The certificate is renewed without a person once the cause is gone, and the registration goes on meanwhile; where the certificate expires first, registered again by a bootstrap.",
	messages.ConnectorFailedToStoreCredentials: registeredAgain,
	messages.ConnectorFailedToReadCredentials:  registeredAgain,
}

// Recovered says what it means to have recovered from an error with the code;
// it is empty for what is no code.
func Recovered(code messages.ErrorCode) string { return recovered[code] }

// answers are the codes that no failed attempt makes: the answer to a call, to
// a Close, or to a configuration.
var answers = map[messages.ErrorCode]string{
	messages.ConnectInvalidParameters:      "An invalid configuration is refused with every fault, each with its key; no packet leaves, and nothing is retried.",
	messages.ConnectNotRegistered:          "`Close` without a registration. The client is torn down in any case.",
	messages.ConnectNotAllowed:             "A call that the client's state does not allow. Nothing changes. " + remedyNotAllowed,
	messages.ConnectorUnregistrationFailed: "The de-registration of a `Close` was refused or not answered in time. The client is torn down in any case.",
}

// String says in words what the step does.
func (s Step) String() string {
	sentences := map[Step]string{
		Retry:          "A fresh connection after the policy's delay; then Update where a Location is known, else Register (on the bootstrap account: bootstrap).",
		RetryRegister:  "A fresh connection after the policy's delay; then Register.",
		Ladder:         "At once one attempt with a fresh connection and one Update.",
		Bootstrap:      "Bootstrap for new credentials after the policy's delay, where there is a bootstrap account that may be asked; else a fresh attempt after it. The old ones stay until the new are stored.",
		RepeatUpdate:   "The Update again on the same link after the policy's delay, or what the server asked for.",
		RepeatRegister: "A Register on the same link after the policy's delay.",
		Reload:         "Store and named files are read anew after the policy's delay.",
		Ignore:         "Nothing else changes.",
	}
	return sentences[s]
}

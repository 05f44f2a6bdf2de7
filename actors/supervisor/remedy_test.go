package supervisor

import (
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/messages"
)

// modesOf says with which security modes a class of failure can occur; those that are
// not named can with all.
var modesOf = map[messages.Class][]messages.SecurityMode{
	messages.ClassOwnCertificate:     withX509,
	messages.ClassClock:              withX509,
	messages.ClassServerCertificate:  append(append([]messages.SecurityMode{}, withX509...), withRPK...),
	messages.ClassHandshakeTimeout:   secured,
	messages.ClassHandshakeStalled:   secured,
	messages.ClassCredentialsRefused: secured,
	messages.ClassAlert:              secured,
	messages.ClassClosed:             secured,
}

// foreignWords are words that mean nothing to who has configured a security mode.
var foreignWords = map[messages.SecurityMode][]string{
	messages.SecurityPSK:   {"certificate", "public key", "authority"},
	messages.SecurityX509:  {"pre-shared", "psk", "public key", "identity"},
	messages.SecurityRPK:   {"certificate", "pre-shared", "psk", "identity", "authority"},
	messages.SecurityNoSec: {"certificate", "public key", "pre-shared", "psk", "identity", "authority", "cipher"},
}

// everyRemedy calls f for every failure that an account can have.
func everyRemedy(f func(failure *messages.Failure, mode messages.SecurityMode, remedy string)) {
	alerts := []*uint8{nil}
	for number := range 256 {
		alerts = append(alerts, new(uint8(number)))
	}
	codes := []messages.CoAPCode{messages.Empty, messages.NotFound, messages.Forbidden}
	for _, class := range messages.Classes() {
		modes := modesOf[class]
		if modes == nil {
			modes = append(append([]messages.SecurityMode{}, secured...), inClear...)
		}
		for _, mode := range modes {
			for phase := messages.PhaseAPI; phase <= messages.PhaseFirmware; phase++ {
				for _, alert := range alerts {
					for flags := range 4 {
						failure := messages.Failure{Class: class, Phase: phase, Alert: alert, Foreign: flags&1 != 0}
						failure.Answer = codes[int(phase+messages.Phase(flags))%len(codes)]
						f(&failure, mode, remedyOf(Lookup(&failure, flags&2 != 0), &failure, mode))
					}
				}
			}
		}
	}
}

// No remedy speaks of credentials that the account does not have.
func TestRemediesFitTheSecurityMode(t *testing.T) {
	good := map[string]bool{} // for a mode
	everyRemedy(func(failure *messages.Failure, mode messages.SecurityMode, remedy string) {
		if good[mode.String()+remedy] {
			return
		}
		for _, word := range foreignWords[mode] {
			if strings.Contains(strings.ToLower(remedy), word) {
				t.Fatalf("%v in %s, %s: %q speaks of %q", failure, failure.Phase, mode, remedy, word)
			}
		}
		good[mode.String()+remedy] = true
	})
}

// What a cause has to be told.
func TestRemediesFitTheCause(t *testing.T) {
	alert := func(class messages.Class, number uint8) messages.Failure {
		return messages.Failure{Class: class, Phase: messages.PhaseRegister, Alert: &number}
	}
	answered := func(phase messages.Phase, code messages.CoAPCode) messages.Failure {
		return messages.Failure{Class: messages.ClassRejected, Phase: phase, Answer: code}
	}
	refused, stalled := messages.ClassCredentialsRefused, messages.Failure{Class: messages.ClassHandshakeStalled, Phase: messages.PhaseRegister}
	closed := messages.Failure{Class: messages.ClassClosed, Phase: messages.PhaseRegistered}
	closedIn := messages.Failure{Class: messages.ClassClosed, Phase: messages.PhaseBootstrap}
	foreign := messages.Failure{Class: messages.ClassHandshakeTimeout, Phase: messages.PhaseRegister, Foreign: true}
	securedRecord := messages.Failure{Class: messages.ClassMalformed, Phase: messages.PhaseRegister, Foreign: true}
	silent := messages.Failure{Class: messages.ClassHandshakeTimeout, Phase: messages.PhaseRegister}
	unanswered := messages.Failure{Class: messages.ClassTimeout, Phase: messages.PhaseRegister}
	for _, c := range []struct {
		failure messages.Failure
		mode    messages.SecurityMode
		words   string
	}{
		{alert(refused, 115), messages.SecurityPSK, "does not know this device's PSK identity"},
		{alert(refused, 80), messages.SecurityPSK, "identity and key"},
		{alert(refused, 40), messages.SecurityPSK, "identity and key"},
		{alert(refused, 47), messages.SecurityPSK, "identity and key"},
		{alert(refused, 20), messages.SecurityPSK, "another pre-shared key"},
		{alert(refused, 51), messages.SecurityPSK, "another pre-shared key"},
		{stalled, messages.SecurityPSK, "another key"},
		{alert(refused, 49), messages.SecurityPSK, "denies it access"},
		{alert(refused, 42), messages.SecurityX509, "does not accept this device's certificate"},
		{alert(refused, 43), messages.SecurityX509, "does not accept this device's certificate"},
		{alert(refused, 44), messages.SecurityX509, "revoked"},
		{alert(refused, 45), messages.SecurityX509, "clocks of both machines"},
		{alert(refused, 46), messages.SecurityX509, "does not accept this device's certificate"},
		{alert(refused, 48), messages.SecurityX509, "authority"},
		{alert(refused, 49), messages.SecurityX509, "denies this device's certificate access"},
		{alert(refused, 49), messages.SecurityX509, "trusts the authority"}, // gnutls-serv means that
		{stalled, messages.SecurityX509, "fell silent at this device's certificate"},
		{alert(refused, 46), messages.SecurityRPK, "this device's public key"},
		{stalled, messages.SecurityRPK, "this device's public key"},
		{alert(messages.ClassAlert, 80), messages.SecurityPSK, "Look at its log"},
		{alert(messages.ClassAlert, 70), messages.SecurityX509, "DTLS 1.2"},
		{alert(messages.ClassAlert, 40), messages.SecurityPSK, "takes pre-shared keys"},
		{alert(messages.ClassAlert, 40), messages.SecurityX509, "takes certificates at this port"},
		{messages.Failure{Class: messages.ClassServerCertificate, Phase: messages.PhaseRegister}, messages.SecurityRPK, "server's public key"},
		{messages.Failure{Class: messages.ClassServerCertificate, Phase: messages.PhaseRegister}, messages.SecurityX509, "server's certificate"},
		{closed, messages.SecurityPSK, "The server closed the session"},
		{closedIn, messages.SecurityPSK, "The bootstrap server closed the session"},
		{alert(messages.ClassClosed, 0), messages.SecurityX509, "The server closed the session before it was complete"},
		{answered(messages.PhaseRegister, messages.NotFound), messages.SecurityNoSec, "it may be the bootstrap server's"},
		{answered(messages.PhaseRegister, messages.MethodNotAllowed), messages.SecurityPSK, "takes no registrations"},
		{answered(messages.PhaseRegister, messages.InternalServerError), messages.SecurityPSK, "server's log"},
		{answered(messages.PhaseBootstrap, messages.NotFound), messages.SecurityX509, "may be a management server's"},
		{answered(messages.PhaseBootstrap, messages.Forbidden), messages.SecurityX509, "quota"},
		{foreign, messages.SecurityPSK, "does not speak DTLS"},
		{securedRecord, messages.SecurityNoSec, "speaks DTLS"},
		{silent, messages.SecurityPSK, "plain CoAP is silent like this"},
		{unanswered, messages.SecurityNoSec, "DTLS is silent like this"},
		{messages.Failure{Class: messages.ClassClock, Phase: messages.PhaseRegister}, messages.SecurityX509, "clock"},
	} {
		if got := remedyOf(Lookup(&c.failure, true), &c.failure, c.mode); !strings.Contains(got, c.words) {
			t.Errorf("%v, %s: %q does not say %q", &c.failure, c.mode, got, c.words)
		}
	}
}

// Every advice is given: none is hidden by one before it.
func TestEveryAdviceIsGiven(t *testing.T) {
	given := map[string]bool{}
	everyRemedy(func(_ *messages.Failure, _ messages.SecurityMode, remedy string) { given[remedy] = true })
	for i, a := range advice {
		if !given[a.Remedy] {
			t.Errorf("advice %d is never given: %q", i, a.Remedy)
		}
	}
}

// An event has the remedy of its account's security mode.
func TestEventHasTheRemedyOfItsAccount(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	e := d.fail(server(1), messages.Failure{Class: messages.ClassCredentialsRefused, Phase: messages.PhaseRegister, Alert: new(uint8(115))})
	if !strings.Contains(e.Remedy, "PSK identity") {
		t.Error(e.Remedy)
	}
}

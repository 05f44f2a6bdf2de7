package network

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// With a pre-shared key nothing but identity and key is left to be refused after our
// proof, whatever a server calls it.
func TestAlertAfterAPreSharedKey(t *testing.T) {
	set := newSet(t)
	certified := x509Client(t, set, set.Client)
	class := func(c messages.Credentials, alert AlertError) messages.Class {
		m := New(testPeer, testEpoch)
		now := time.Now()
		m.Step(now, connect(t, "coaps://192.0.2.1", func(in *messages.Connect) {
			in.Credentials, in.Deadline = c, now.Add(time.Minute)
		}))
		return lost(t, m.Step(now, broken{epoch: testEpoch, err: &alert})).Class
	}
	for number := range uint8(255) {
		vague := number == 40 || number == 47 || number == 80
		withCertificate, withKey := messages.ClassAlert, messages.ClassAlert
		if blamesCredentials(number) {
			withCertificate, withKey = messages.ClassCredentialsRefused, messages.ClassCredentialsRefused
		}
		if vague {
			withKey = messages.ClassCredentialsRefused
		}
		if number == alertCloseNotify {
			withCertificate, withKey = messages.ClassClosed, messages.ClassClosed
		}
		if got := class(psk(), AlertError{Number: number, Answered: true}); got != withKey {
			t.Errorf("alert %d after the proof with a key: %s, want %s", number, got, withKey)
		}
		if got := class(certified, AlertError{Number: number, Answered: true}); got != withCertificate {
			t.Errorf("alert %d after the proof with a certificate: %s, want %s", number, got, withCertificate)
		}
		if got := class(psk(), AlertError{Number: number}); got == messages.ClassCredentialsRefused {
			t.Errorf("alert %d before the proof: %s", number, got)
		}
	}
}

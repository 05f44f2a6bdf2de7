package demo

import (
	"context"
	"slices"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// scenario provokes one error and sees the recovery, or updates a gateway's firmware and sees
// how that ends, or does to a gateway what its DTLS session outlives.
type scenario struct {
	name     string
	about    subject
	code     holdfast.ErrorCode // 0 where it is not about an error
	provoked string             // how, in a few words, for the table
	// cast returns the device that will meet the error, ready for it. Nil
	// means the gateway, registered.
	cast func(ctx context.Context, l *lab) (*device, error)
	// play provokes the error and returns when the device has recovered.
	play func(ctx context.Context, t *take) error
	// cured is the event that shows the recovery (docs/design.md, The recovery
	// table); it has to follow the error. Of an update it is the end.
	cured expectation
}

// subject is what a scenario is about.
type subject uint8

// The subjects.
const (
	anError subject = iota
	anUpdate
	aSession
)

// String names what is not about an error, for people.
func (s subject) String() string { return [...]string{"error", "firmware update", "DTLS session"}[s] }

// title is what the scenario is about, for people.
func (s scenario) title() string {
	if s.about != anError {
		return s.about.String()
	}
	return titled(s.code)
}

// scenarios returns all of them, in the order of the show.
func scenarios() []scenario {
	return slices.Concat(errorScenarios(), sessionScenarios(), updateScenarios())
}

// sessionScenarios are about what a DTLS session with a Connection ID outlives: going on
// costs one round trip, and no handshake.
func sessionScenarios() []scenario {
	return []scenario{
		{
			name: "session-moved", about: aSession, provoked: "NAT forgets its mapping, at an Update",
			cast: castMoved, play: playMoved, cured: updatedByKept,
		},
		{
			name: "session-kill", about: aSession, provoked: "kill -9 of the gateway",
			cast: castRestarted, play: playRestarted, cured: registeredByKept,
		},
	}
}

// updateScenarios are about updates of the firmware.
func updateScenarios() []scenario {
	return []scenario{
		{
			name: "firmware-update", about: anUpdate, provoked: "signed manifest, image from the management server",
			cast: castUpdatable(updatedName, firmware.ObjectManifest), play: playUpdate, cured: updatedByManifest,
		},
		{
			name: "firmware-signature", about: anUpdate, provoked: "manifest whose signature does not fit",
			cast: castUpdatable(unsignedName, firmware.ObjectManifest), play: playBadSignature, cured: refusedManifest,
		},
		{
			name: "firmware-lost-link", about: anUpdate, provoked: "server crashes half way through a download",
			cast: castUpdatable(cutOffName, firmware.ObjectUpdate), play: playLostLink, cured: updatedByURI,
		},
		{
			name: "firmware-kill", about: anUpdate, provoked: "kill -9 of the gateway half way through a download",
			cast: castKillable, play: playKill, cured: updatedByURI,
		},
	}
}

// errorScenarios are about one error each.
func errorScenarios() []scenario {
	return []scenario{
		{
			name: "bootstrap-refused", code: holdfast.ErrBootstrapFailed.Code,
			provoked: "bootstrap server answers 4.00 twice (quota)",
			play:     playBootstrapRefused, cured: registered,
		},
		{
			name: "register-forbidden", code: holdfast.ErrInvalidParameters.Code,
			provoked: "server answers the Register 4.03",
			play:     playRegisterForbidden, cured: registered,
		},
		{
			name: "key-file-empty", code: holdfast.ErrInvalidCredentials.Code,
			provoked: "key file that holds no key",
			cast:     castWithoutKey, play: playKeyFileEmpty, cured: registered,
		},
		{
			name: "close-early", code: holdfast.ErrNotRegistered.Code,
			provoked: "Close before the first registration",
			cast:     castStranded, play: playCloseEarly, cured: stopped,
		},
		{
			name: "black-hole", code: holdfast.ErrTimeout.Code,
			provoked: "server silent: every datagram vanishes",
			play:     playBlackHole, cured: registered,
		},
		{
			name: "port-closed", code: holdfast.ErrNetwork.Code,
			provoked: "server's port closed at an Update",
			play:     playPortClosed, cured: registered,
		},
		{
			name: "garbage", code: holdfast.ErrResponseParse.Code,
			provoked: "malformed datagrams in the DTLS session",
			play:     playGarbage, cured: updated,
		},
		{
			name: "driver-panics", code: holdfast.ErrUnknown.Code,
			provoked: "modem driver below the client panics",
			cast:     castUnplugged, play: playUnplugged, cured: registered,
		},
		{
			name: "bootstrap-too-large", code: holdfast.ErrMemory.Code,
			provoked: "bootstrap delivers more than 64 KiB",
			play:     playBootstrapTooLarge, cured: registered,
		},
		{
			name: "update-offline", code: holdfast.ErrNotAllowed.Code,
			provoked: "RegisterUpdate while the server is away",
			play:     playUpdateOffline, cured: registered,
		},
		{
			name: "key-changed", code: holdfast.ErrSecureConnection.Code,
			provoked: "server has another key: handshakes stall",
			play:     playKeyChanged, cured: registered,
		},
		{
			name: "name-gone", code: holdfast.ErrDNS.Code,
			provoked: "name server answers NXDOMAIN",
			play:     playNameGone, cured: registered,
		},
		{
			name: "silent-farewell", code: holdfast.ErrUnregistration.Code,
			provoked: "server does not answer the de-registration",
			cast:     castLeaving, play: playSilentFarewell, cured: stopped,
		},
		{
			name: "enrolment-refused", code: holdfast.ErrEnrolment.Code,
			provoked: "bootstrap server refuses to renew a certificate",
			cast:     castEnrolled, play: playEnrolment, cured: renewed,
		},
		{
			name: "disk-fails", code: holdfast.ErrStoreCredentials.Code,
			provoked: "state directory gone when a bootstrap ends",
			play:     playDiskFails, cured: registered,
		},
		{
			name: "record-damaged", code: holdfast.ErrReadCredentials.Code,
			provoked: "newest credentials on disk damaged",
			cast:     castDamaged, play: playRecordDamaged, cured: registered,
		},
	}
}

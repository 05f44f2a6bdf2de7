package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-iot/holdfast"
)

// playBlackHole lets every datagram to and from the server vanish. The silence
// within the registration is code 7, the one within the new attempts code 6.
func playBlackHole(ctx context.Context, t *take) error {
	t.say("the server no longer answers anything; an Update is due")
	t.server.IgnoreHandshakes()
	t.management.ForgetSessions()
	if err := t.update(ctx); err != nil {
		return err
	}
	silence := failure(holdfast.ErrTimeout)
	if err := t.expect(ctx, failure(holdfast.ErrNetwork), silence, silence); err != nil {
		return err
	}
	t.say("the server answers again")
	t.server.AcceptHandshakes()
	return t.expect(ctx, registered)
}

// playPortClosed lets an Update and the attempt after it meet a closed port.
func playPortClosed(ctx context.Context, t *take) error {
	t.say("the server crashes: its port is closed; an Update is due")
	t.abortManagement()
	if err := t.update(ctx); err != nil {
		return err
	}
	refused := failure(holdfast.ErrNetwork)
	if err := t.expect(ctx, refused, refused); err != nil {
		return err
	}
	t.say("the server is back on its port, without its DTLS sessions")
	if err := t.openManagement(); err != nil {
		return err
	}
	return t.expect(ctx, registered)
}

// playUpdateOffline calls RegisterUpdate while there is no registration. The
// call is refused, and what comes next comes as if it had not been made.
func playUpdateOffline(ctx context.Context, t *take) error {
	t.say("the server crashes; an Update finds its port closed")
	t.abortManagement()
	if err := t.update(ctx); err != nil {
		return err
	}
	if err := t.expect(ctx, failure(holdfast.ErrNetwork)); err != nil {
		return err
	}
	t.say("the application asks for another Update meanwhile")
	if err := t.update(ctx); !errors.Is(err, holdfast.ErrNotAllowed) {
		return fmt.Errorf("RegisterUpdate returned %w, not ErrNotAllowed", err)
	}
	if err := t.expect(ctx, failure(holdfast.ErrNotAllowed)); err != nil {
		return err
	}
	t.say("the server is back")
	if err := t.openManagement(); err != nil {
		return err
	}
	return t.expect(ctx, registered)
}

// playKeyChanged lets the server come back with another key for the gateway.
// That shows as handshakes that fall silent; once may be loss, twice is the
// key, and the bootstrap server has the new one.
func playKeyChanged(ctx context.Context, t *take) error {
	t.say("the server restarts; meanwhile the gateway's key was changed in its database")
	t.abortManagement()
	if err := t.update(ctx); err != nil {
		return err
	}
	if err := t.expect(ctx, failure(holdfast.ErrNetwork)); err != nil {
		return err
	}
	t.enrol(t.device.endpoint)
	if err := t.openManagement(); err != nil {
		return err
	}
	return t.expect(ctx, failure(holdfast.ErrTimeout), failure(holdfast.ErrSecureConnection), bootstrapped, registered)
}

// playNameGone takes the server's name away and then closes its sessions, so
// that the gateway has to look it up.
func playNameGone(ctx context.Context, t *take) error {
	t.say("the server restarts in good order, and its name is gone: NXDOMAIN for %s", managementHost)
	t.names.Remove(managementHost)
	t.closeManagement()
	if err := t.openManagement(); err != nil {
		return err
	}
	missing := failure(holdfast.ErrDNS)
	if err := t.expect(ctx, missing, missing); err != nil {
		return err
	}
	t.say("the name is back: an A record for 127.0.0.1")
	t.names.restore()
	return t.expect(ctx, registered)
}

// playUnplugged starts it without its modem, whose driver panics in the middle
// of the client. That costs the actor that it hits, and one attempt.
func playUnplugged(ctx context.Context, t *take) error {
	t.say("a gateway starts without its modem; the modem's driver does not expect that, and panics")
	t.enrol(t.device.endpoint)
	if err := t.device.client.Start(ctx); err != nil {
		return err
	}
	if err := t.expect(ctx, failure(holdfast.ErrUnknown)); err != nil {
		return err
	}
	t.say("the modem is plugged in; the gateway goes on running")
	t.modem.plugIn()
	if err := t.expect(ctx, registered); err != nil {
		return err
	}
	return t.device.close(ctx)
}

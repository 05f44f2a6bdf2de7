package demo

import (
	"context"
	"fmt"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// bootstrapTrigger is what a server executes to send a client to bootstrap
// (LwM2M object 1, resource 9).
const bootstrapTrigger = "/1/0/9"

// playBootstrapRefused is code 2: the device quota of the account is used up, for
// a while.
func playBootstrapRefused(ctx context.Context, t *take) error {
	t.say("the account's device quota is used up; the server sends the gateway to bootstrap")
	t.server.Misbehave(t.device.endpoint, lwm2mtest.BootstrapRequest, 2, lwm2mtest.Behaviour{
		Answer: codeBadRequest, Payload: "Account device quota reached",
	})
	if err := t.execute(ctx, t.device.endpoint, bootstrapTrigger); err != nil {
		return err
	}
	refused := failure(holdfast.ErrBootstrapFailed)
	if err := t.expect(ctx, refused, refused); err != nil {
		return err
	}
	t.say("there is room again")
	return t.expect(ctx, bootstrapped, registered)
}

// playRegisterForbidden makes the server refuse the gateway as it is, so that
// it has to bootstrap for new credentials.
func playRegisterForbidden(ctx context.Context, t *take) error {
	t.say("the server forgets its registrations, and forbids the gateway to register")
	t.server.Misbehave(t.device.endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{
		Answer: codeForbidden, Payload: "unknown endpoint",
	})
	t.server.Forget()
	if err := t.update(ctx); err != nil {
		return err
	}
	return t.expect(ctx, failure(holdfast.ErrInvalidParameters), bootstrapped, registered)
}

// playBootstrapTooLarge lets the bootstrap server deliver more than the client
// has declared to hold: accounts with certificates of 40 KiB each.
func playBootstrapTooLarge(ctx context.Context, t *take) error {
	t.say("the server sends the gateway to bootstrap, which delivers certificates of 40 KiB each")
	var writes []lwm2mtest.BootstrapWrite
	for instance := range uint16(2) {
		account := t.account(t.device.endpoint)
		account.SecurityInstance, account.ServerInstance, account.ShortServerID = instance+1, instance, instance+1
		account.PSKKey, account.Certificate = nil, make([]byte, 40<<10)
		writes = append(writes, account.Writes()...)
	}
	t.server.SetBootstrap(t.device.endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: writes})
	if err := t.execute(ctx, t.device.endpoint, bootstrapTrigger); err != nil {
		return err
	}
	if err := t.expect(ctx, failure(holdfast.ErrMemory)); err != nil {
		return err
	}
	t.say("the bootstrap server delivers what it should")
	t.deliver(t.device.endpoint, nil)
	return t.expect(ctx, bootstrapped, registered)
}

// malformed are datagrams that no CoAP decoder takes (RFC 7252 section 3): a
// confirmable message with the reserved token length 15, and one whose first
// option has the reserved delta 15.
var malformed = [][]byte{{0x4f, 0x01, 0x12, 0x34}, {0x40, 0x01, 0x12, 0x35, 0xf1, 0x00}}

// playGarbage sends them, encrypted as they should be, and then something
// valid.
func playGarbage(ctx context.Context, t *take) error {
	t.say("two malformed datagrams come through the encrypted session")
	for _, datagram := range malformed {
		if err := t.server.SendRaw(t.device.endpoint, datagram); err != nil {
			return err
		}
	}
	if err := t.expect(ctx, failure(holdfast.ErrResponseParse)); err != nil {
		return err
	}
	const formatTLV = 11542
	response, err := t.server.Read(ctx, t.device.endpoint, "/3/0", formatTLV)
	if err != nil {
		return err
	}
	if response.Code != codeContent {
		return fmt.Errorf("a Read of /3/0 was answered %v", response.Code)
	}
	t.say("a Read of /3/0 on the same session is answered %v, and an Update goes through", response.Code)
	if err := t.update(ctx); err != nil {
		return err
	}
	return t.expect(ctx, updated)
}

// update asks the device for an Update now, as its application would.
func (t *take) update(ctx context.Context) error { return t.device.client.RegisterUpdate(ctx) }

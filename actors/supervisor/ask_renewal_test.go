package supervisor

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/messages"
)

// certified is an account with a certificate that lasts an hour.
func certified(t *testing.T, id messages.Peer, instance uint16) messages.Account {
	t.Helper()
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	own, err := ca.Issue(testpki.Request{Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	key, err := own.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	a := serverAccount(t, id, instance)
	a.Credentials = messages.Credentials{
		Mode: messages.SecurityX509, Certificate: [][]byte{own.Cert.Raw}, PrivateKey: key, ServerCertificates: [][]byte{own.Cert.Raw},
	}
	return a
}

// renew asks for another certificate over the link with an epoch, and returns the answer.
func (d *driver) renew(epoch messages.Epoch) (judged messages.RenewalJudged) {
	d.t.Helper()
	for _, effect := range d.machine.Step(d.now, messages.RenewCertificate{Epoch: epoch, ID: 7}) {
		d.note(effect)
		if tell, is := effect.(core.Tell); is && tell.To == core.Management {
			judged = tell.Message.(messages.RenewalJudged)
		}
	}
	if judged.Epoch != epoch || judged.ID != 7 {
		d.t.Errorf("answered: %+v", judged)
	}
	return judged
}

// Every wish for another certificate is answered, and only one that can be met now with 2.04.
func TestRenewalAskedForByAServer(t *testing.T) {
	plain := []messages.Account{bootstrapAccount(t), serverAccount(t, server(1), 1)}
	alone := []messages.Account{certified(t, server(1), 1)}
	both := []messages.Account{bootstrapAccount(t), certified(t, server(1), 1)}
	enrols := certified(t, server(1), 1)
	enrols.Enrols = true
	open := bootstrapAccount(t)
	open.URI, open.Credentials = mustURI(t, "coap://bs.example"), messages.Credentials{Mode: messages.SecurityNoSec}
	for _, c := range []struct {
		name     string
		accounts []messages.Account
		change   func(d *driver)
		want     string // how the refusal begins; empty for 2.04
		code     messages.CoAPCode
	}{
		{"accepted", both, func(*driver) {}, "", messages.Changed},
		{"no certificate", plain, func(*driver) {}, "0x0504", messages.NotFound},
		{"no bootstrap account", alone, func(*driver) {}, "0x0504", messages.NotFound},
		{"nobody enrols", both, func(d *driver) {
			d.machine.accounts.of(server(1)).Account = &enrols
			d.machine.accounts.of(messages.BootstrapPeer()).Account = &open
		}, "0x0504", messages.NotFound},
		{"asked before", both, func(d *driver) { d.renew(d.epoch(server(1))) }, "0x0505", messages.ServiceUnavailable},
		{"a bootstrap is under way", both, func(d *driver) { d.call(messages.CallBootstrap) }, "0x0505", messages.ServiceUnavailable},
		{"after a failure", both, func(d *driver) {
			a := d.machine.accounts.of(server(1))
			d.machine.renewalFailed(d.now, a, messages.Failure{Class: messages.ClassTimeout, Cause: errStranded})
			d.drain()
			d.machine.effects = nil
		}, "0x0505", messages.ServiceUnavailable},
		{"wrong clock", both, func(d *driver) { d.now = d.now.Add(-24 * time.Hour) }, "0x0500", messages.ServiceUnavailable},
		{"stopping", both, func(d *driver) { d.step(messages.Stop{Deadline: d.now.Add(time.Minute)}) }, "0x0510", messages.ServiceUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDriver(t, c.accounts...)
			d.now = time.Now()
			d.factory = accounts.ToTree(c.accounts)
			d.step(messages.Start{})
			d.loaded(nil, nil)
			d.register(server(1))
			epoch := d.epoch(server(1))
			c.change(d)
			got := d.renew(epoch)
			if got.Code != c.code || len(got.Detail) < len(c.want) || got.Detail[:len(c.want)] != c.want || c.want == "" && got.Detail != "" {
				t.Errorf("%+v", got)
			}
			if began := !d.idle(messages.BootstrapPeer()); c.want == "" && !began {
				t.Error("no bootstrap has begun")
			}
		})
	}
	d := running(t, both...)
	if got := d.renew(d.epoch(server(1))); got.Code != messages.ServiceUnavailable {
		t.Errorf("before it has registered: %+v", got)
	}
	if got := d.renew(4711); got.Code != messages.ServiceUnavailable {
		t.Errorf("on a link that is gone: %+v", got)
	}
}

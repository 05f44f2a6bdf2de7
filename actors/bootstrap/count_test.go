package bootstrap

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// crowded returns a machine that has n management accounts and may keep most.
func crowded(t *testing.T, n, most int) *Machine {
	t.Helper()
	all := []messages.Account{bootstrapAccount()}
	for i := range n {
		all = append(all, messages.Account{
			Peer: messages.ManagementPeer(uint16(i + 1)), URI: mustURI("coaps://old.example"), Credentials: psk("old", "oldkey"), Lifetime: time.Hour,
		})
	}
	m := New(Config{MaxAccounts: most})
	m.Step(start, begin("1.1", accounts.ToTree(all)))
	m.Step(start, messages.LinkUp{Epoch: epoch})
	m.Step(start, messages.Response{Epoch: epoch, ID: m.request, Code: messages.Changed})
	return m
}

// account writes a Security instance.
func account(inst uint16) messages.Inbound {
	target := lwm2m.PathOf(0, inst)
	in := writing(target.String(), tlvF, encodeBody(tlvF, target, nodes(target, security("coaps://new.example", false, 0, "gw", "key", int64(inst)))))
	in.Epoch = epoch
	return in
}

// The write that makes one account too many ends the session, and names the
// limit.
func TestWriteBeyondTheAccountsEndsTheSession(t *testing.T) {
	for _, most := range []int{0, 1, 8, 100} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			m := crowded(t, 1, most)
			if most == 0 {
				most = accounts.DefaultMax
			}
			for i := range most - 1 {
				if r := reply(t, m.Step(start, account(uint16(i+2)))); r.Code != messages.Changed {
					t.Fatalf("account %d: %v %s", i+2, r.Code, r.Payload)
				}
			}
			effects := m.Step(start, account(uint16(most+1)))
			if r := reply(t, effects); r.Code != messages.RequestEntityTooLarge || !strings.Contains(string(r.Payload), "limits.accounts") {
				t.Errorf("answered %v %s", r.Code, r.Payload)
			}
			f := failure(t, effects)
			var count *accounts.CountError
			if f.Class != messages.ClassBudget || !errors.As(f.Cause, &count) || count.Have != most+1 || count.Max != most {
				t.Errorf("failed with %v", f)
			}
		})
	}
}

// A write of a whole object is counted like one for each instance.
func TestWriteOfTheObjectBeyondTheAccounts(t *testing.T) {
	m := crowded(t, 1, 3)
	var payload lwm2m.Payload
	for inst := range uint16(3) {
		p := nodes(lwm2m.PathOf(0, inst+2), security("coaps://new.example", false, 0, "gw", "key", int64(inst+2)))
		payload.Nodes, payload.Instances = append(payload.Nodes, p.Nodes...), append(payload.Instances, p.Instances...)
	}
	in := writing("/0", tlvF, encodeBody(tlvF, mustPath("/0"), payload))
	in.Epoch = epoch
	if f := failure(t, m.Step(start, in)); f.Class != messages.ClassBudget {
		t.Errorf("%v", f)
	}
}

// Where more accounts are stored than may be used, they can be replaced and
// deleted but not added to; a Finish waits until they are few enough.
func TestFewerAccountsAfterTheLimitWasLowered(t *testing.T) {
	m := crowded(t, 4, 2)
	finish := messages.Inbound{Epoch: epoch, ID: 90, Code: messages.POST, Path: []string{bs}}
	if r := reply(t, m.Step(start, account(1))); r.Code != messages.Changed {
		t.Fatalf("replace: %v %s", r.Code, r.Payload)
	}
	if r := reply(t, m.Step(start, finish)); r.Code != messages.NotAcceptable || !strings.Contains(string(r.Payload), "limits.accounts") {
		t.Fatalf("finish: %v %s", r.Code, r.Payload)
	}
	for _, inst := range []string{"3", "4"} {
		in := inbound(messages.DELETE, "/0/"+inst)
		in.Epoch = epoch
		if r := reply(t, m.Step(start, in)); r.Code != messages.Deleted {
			t.Fatalf("delete: %v", r.Code)
		}
	}
	m.Step(start, finish)
	if m.State() != Persisting {
		t.Errorf("state %v", m.State())
	}
}

// A server that leaves too many is told so, and its silence is the budget's.
func TestTooManyAccountsAndSilence(t *testing.T) {
	m := crowded(t, 4, 2)
	m.Step(start, messages.Inbound{Epoch: epoch, ID: 90, Code: messages.POST, Path: []string{bs}})
	f := failure(t, m.Step(start, core.Expired{Timer: timerSilence}))
	if f.Class != messages.ClassBudget || !strings.Contains(f.Error(), "limits.accounts") {
		t.Errorf("%v", f)
	}
}

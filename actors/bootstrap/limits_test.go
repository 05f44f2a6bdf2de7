package bootstrap

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// limited is a machine in state Open whose limit is bytes.
func limited(t testing.TB, bytes int, tree *lwm2m.Tree) *Machine {
	t.Helper()
	m := New(Config{MaxBytes: bytes})
	m.Step(start, begin("1.1", tree))
	m.Step(start, messages.LinkUp{Epoch: epoch})
	m.Step(start, messages.Response{Epoch: epoch, ID: m.request, Code: messages.Changed})
	if m.State() != Open {
		t.Fatalf("state %v", m.State())
	}
	return m
}

// operate sends one operation and returns its effects.
func operate(m *Machine, now time.Time, in messages.Inbound) []core.Effect {
	in.Epoch, in.ID = epoch, 1
	return m.Step(now, in)
}

// answered returns the code of the answer among effects, Empty for none.
func answered(effects []core.Effect) messages.CoAPCode {
	for _, e := range effects {
		if tell, ok := e.(core.Tell); ok {
			if r, ok := tell.Message.(messages.Reply); ok {
				return r.Code
			}
		}
	}
	return messages.Empty
}

// emptyInstances writes the instances from first on, without a resource, in
// payloads of at most 1000 each. It returns the last answer.
func emptyInstances(m *Machine, object string, first, n int) ([]core.Effect, messages.CoAPCode) {
	var effects []core.Effect
	for n > 0 && m.State() == Open {
		var p lwm2m.Payload
		for range min(n, 1000) {
			p.Instances = append(p.Instances, mustPath(object).Child(uint16(first)))
			first++
		}
		n -= len(p.Instances)
		effects = operate(m, start, writing(object, tlvF, encodeBody(tlvF, mustPath(object), p)))
	}
	return effects, answered(effects)
}

// fataler is what *testing.T and *rapid.T have in common here.
type fataler interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// wantExceeded demands that the session has ended for a limit.
func wantExceeded(t fataler, effects []core.Effect, cause error) {
	if code := answered(effects); code != messages.RequestEntityTooLarge {
		t.Fatalf("answered %v", code)
	}
	for _, e := range effects {
		tell, _ := e.(core.Tell)
		if f, ok := tell.Message.(messages.Failed); ok {
			if f.Failure.Class != messages.ClassBudget || !errors.Is(f.Failure.Cause, cause) {
				t.Fatalf("failed with %v", f.Failure)
			}
			return
		}
	}
	t.Fatal("not reported")
}

// wantDurable demands that a Finish stores a record that can be read again,
// within the limit, and that it is what the server has written.
func wantDurable(t fataler, m *Machine, now time.Time, bytes int) {
	checkStored(t, m, operate(m, now, inbound(messages.POST, "/bs")), bytes)
}

func checkStored(t fataler, m *Machine, effects []core.Effect, bytes int) {
	for _, e := range effects {
		persist, ok := e.(core.Persist)
		if !ok {
			continue
		}
		if len(persist.Data) > bytes {
			t.Fatalf("%d bytes are stored, %d are allowed", len(persist.Data), bytes)
		}
		if err := accounts.CheckRecord(persist.Record, persist.Data); err != nil {
			t.Fatalf("what is stored cannot be used: %v", err)
		}
		if tree, err := accounts.Decode(persist.Data); err != nil || !tree.Equal(m.result) {
			t.Fatalf("what is stored cannot be read: %v", err)
		}
		return
	}
	t.Fatalf("nothing is stored in state %v: %v", m.State(), m.refused)
}

// anyInstant is a time that a clock may show, right or wrong.
func anyInstant() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.OneOf(rapid.Int64Range(-1<<35, 1<<35), rapid.Just(int64(0)), rapid.Just(int64(-1))),
		func(s int64) time.Time { return time.Unix(s, 0) })
}

// stamped is a tree with what a Finish adds, at the time that takes the most room.
func stamped(tree *lwm2m.Tree) *lwm2m.Tree {
	tree = tree.Clone()
	for _, inst := range tree.Instances(1) {
		tree.PutResource(1, inst, lwm2m.Resource{ID: 12, Value: lwm2m.Time(time.Unix(-1, 0))})
	}
	return tree
}

// A bootstrap that fills the limit to the last byte is stored and can be read;
// one byte more is answered 4.13 and ends the session. The Finish, which adds to
// it, never exceeds what a Write was granted, whatever the clock shows.
func TestBytesAtTheLimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		servers := rapid.IntRange(0, 40).Draw(rt, "further Server instances")
		size := rapid.IntRange(300, 3000).Draw(rt, "size")
		filled := factoryTree()
		for i := range servers {
			filled.PutInstance(1, lwm2m.Instance{ID: uint16(100 + i)})
		}
		filled.PutResource(0, 1, lwm2m.Resource{ID: 4, Value: lwm2m.Opaque(make([]byte, size))})
		limit := len(accounts.Encode(stamped(filled))) + rapid.IntRange(-2, 2).Draw(rt, "room")
		exceeds := len(accounts.Encode(stamped(filled))) > limit

		m := limited(t, limit, factoryTree())
		if servers > 0 {
			if _, code := emptyInstances(m, "/1", 100, servers); code != messages.Changed {
				rt.Fatalf("answered %v", code)
			}
		}
		before := m.session.Tree()
		effects := operate(m, start, writing("/0/1/4", messages.FormatOpaque, make([]byte, size)))
		switch {
		case exceeds:
			wantExceeded(rt, effects, errBudget)
		case answered(effects) != messages.Changed || m.session.Tree().Equal(before):
			rt.Fatalf("answered %v", answered(effects))
		default:
			wantDurable(rt, m, anyInstant().Draw(rt, "Finish at"), limit)
		}
	})
}

// As many instances as a record can hold are stored and read; one more is
// answered 4.13 and ends the session, whatever there is room for.
func TestInstancesAtTheLimit(t *testing.T) {
	for beyond := -1; beyond <= 1; beyond++ {
		for _, first := range []int{1, lwm2m.MaxID - accounts.MaxElements} {
			m := limited(t, accounts.MaxRecord, factoryTree()) // which has /1/0
			effects, code := emptyInstances(m, "/1", first, accounts.MaxElements-1+beyond)
			switch {
			case beyond > 0:
				wantExceeded(t, effects, errTooLarge)
			case code != messages.Changed:
				t.Fatalf("answered %v", code)
			default:
				wantDurable(t, m, start, accounts.MaxRecord)
			}
		}
	}
}

// Security instances without content do not end a session: they are not accounts,
// and the Finish says so.
func TestEmptySecurityInstancesAreRefusedAtTheFinish(t *testing.T) {
	m := limited(t, accounts.MaxRecord, factoryTree())
	if _, code := emptyInstances(m, "/0", 2, accounts.DefaultMax-1); code != messages.Changed {
		t.Fatalf("answered %v", code)
	}
	if code := answered(operate(m, start, inbound(messages.POST, "/bs"))); code != messages.NotAcceptable {
		t.Errorf("answered %v", code)
	}
}

// Nothing is kept of an object that is not part of a bootstrap, not even an empty
// instance.
func TestOtherObjectsAreNotStored(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	for path, want := range map[string]messages.CoAPCode{
		"/4": messages.NotFound, "/4/0": messages.NotFound, "/3/0": messages.MethodNotAllowed, "/65534/1": messages.NotFound,
	} {
		if code := answered(operate(m, start, writing(path, tlvF, nil))); code != want {
			t.Errorf("%s answered %v", path, code)
		}
	}
	if !m.session.Tree().Equal(factoryTree()) {
		t.Error("something is kept")
	}
}

// An instance given twice is refused.
func TestDuplicateInstanceIsRefused(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	if code := answered(operate(m, start, writing("/1", tlvF, []byte("\x00\x01\x00\x01")))); code != messages.BadRequest {
		t.Errorf("answered %v", code)
	}
}

// A value of any length and any list of values is refused where it is written
// or at the Finish, or it is stored so that it can be read.
func TestLongValues(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := limited(t, accounts.MaxRecord, factoryTree())
		path := mustPath(rapid.SampledFrom([]string{"/0/1", "/1/0"}).Draw(rt, "instance"))
		path = path.Child(rapid.Uint16Range(0, 32).Draw(rt, "resource"))
		def, _ := m.session.registry.Resource(path)
		if code := answered(operate(m, start, anyLength(rt, path, def))); code != messages.Changed {
			return
		}
		effects := operate(m, start, inbound(messages.POST, "/bs"))
		if answered(effects) != messages.NotAcceptable {
			checkStored(rt, m, effects, accounts.MaxRecord)
		}
	})
}

// anyLength writes a value of up to 64 KiB, or up to 4094 values.
func anyLength(t *rapid.T, path lwm2m.Path, def lwm2m.ResourceDef) messages.Inbound {
	n := rapid.SampledFrom([]int{0, 1, 255, 256, 65_535, 65_536}).Draw(t, "length")
	value := func() lwm2m.Value {
		if def.Kind == lwm2m.KindOpaque {
			return lwm2m.Opaque(make([]byte, n))
		}
		return lwm2m.String("coaps://h/" + strings.Repeat("a/", n/2))
	}
	if !def.Multiple {
		return writing(path.String(), tlvF, encodeBody(tlvF, path, lwm2m.Payload{Nodes: []lwm2m.Node{{Path: path, Value: value()}}}))
	}
	p := lwm2m.Payload{Multiples: []lwm2m.Path{path}}
	for i := range min(n, accounts.MaxElements-2) {
		p.Nodes = append(p.Nodes, lwm2m.Node{Path: path.Child(uint16(i)), Value: lwm2m.Unsigned(uint64(i))})
	}
	return writing(path.String(), tlvF, encodeBody(tlvF, path, p))
}

// A record that a larger limit had allowed is what a session begins with: it
// can be made smaller and finished, but not kept as it is, and the failure
// names the limit.
func TestSessionOnARecordAboveTheLimit(t *testing.T) {
	above := factoryTree()
	above.PutResource(0, 1, lwm2m.Resource{ID: 4, Value: lwm2m.Opaque(make([]byte, 1000))})

	m := limited(t, 800, above)
	if code := answered(operate(m, start, inbound(messages.POST, "/bs"))); code != messages.NotAcceptable {
		t.Errorf("a Finish is answered %v", code)
	}
	f := failure(t, m.Step(start.Add(DefaultSilence), core.Expired{Timer: timerSilence}))
	if f.Class != messages.ClassBudget || !errors.Is(f.Cause, errBudget) {
		t.Errorf("failed with %v", f)
	}

	m = limited(t, 800, above)
	for _, path := range []string{"/0", "/1"} {
		if code := answered(operate(m, start, inbound(messages.DELETE, path))); code != messages.Deleted {
			t.Errorf("DELETE %s is answered %v", path, code)
		}
	}
	for target, name := range map[string]string{"/0/1": "psk-1", "/1/0": "server-1"} {
		body := encodeBody(tlvF, mustPath(target), nodes(mustPath(target), bodies[name]))
		if code := answered(operate(m, start, writing(target, tlvF, body))); code != messages.Changed {
			t.Errorf("PUT %s is answered %v", target, code)
		}
	}
	operate(m, start, inbound(messages.POST, "/bs"))
	if m.State() != Persisting {
		t.Errorf("state %v: %v", m.State(), m.refused)
	}
}

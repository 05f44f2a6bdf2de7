package accounts

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// acl makes the resource /2/x/2 of pairs of a short server ID and its rights.
func acl(pairs ...int64) lwm2m.Resource {
	r := lwm2m.Resource{ID: objects.AccessControlACL, Multiple: true}
	for i := 0; i < len(pairs); i += 2 {
		r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: uint16(pairs[i]), Value: lwm2m.Integer(pairs[i+1])})
	}
	return r
}

// control makes an instance of object 2.
func control(inst uint16, object, about, owner int64, entries ...int64) lwm2m.Instance {
	return lwm2m.Instance{ID: inst, Resources: []lwm2m.Resource{
		single(0, lwm2m.Integer(object)), single(1, lwm2m.Integer(about)), acl(entries...), single(3, lwm2m.Integer(owner)),
	}}
}

// divided is provisioned with instances of object 2.
func divided(t testing.TB, controls ...lwm2m.Instance) *lwm2m.Tree {
	tree := provisioned(t)
	for _, c := range controls {
		tree.PutInstance(objects.AccessControl, c)
	}
	return tree
}

// at is the payload of some resources of an instance, or of nothing else below path.
func at(path string, resources ...lwm2m.Resource) lwm2m.Payload {
	p := mustPath(path)
	tree := lwm2m.NewTree()
	tree.PutInstance(p.Object(), lwm2m.Instance{ID: p.Instance(), Resources: resources})
	found, _ := tree.Payload(p.Prefix(2))
	return found
}

var someTime = validity.Clock{Now: time.Unix(1_700_000_000, 0)}

// finished is what a bootstrap leaves, as it is read again from the store.
func finished(t *testing.T, tx *Transaction) *lwm2m.Tree {
	t.Helper()
	result, record, err := tx.Finish(someTime)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(record)
	if err != nil || !again.Equal(result) {
		t.Fatalf("stored otherwise: %v", err)
	}
	if err := Check(again); err != nil {
		t.Fatal(err)
	}
	return again
}

func putControl(t *testing.T, tx *Transaction, c lwm2m.Instance) {
	t.Helper()
	path := lwm2m.PathOf(objects.AccessControl, c.ID)
	if err := tx.Put(path, at(path.String(), c.Resources...)); err != nil {
		t.Fatal(err)
	}
}

// A bootstrap divides the device among its servers, and servers and objects that are
// not there, or not yet, are as good as any.
func TestBootstrapWritesAccessControl(t *testing.T) {
	tx := Begin(provisioned(t), terms())
	putControl(t, tx, control(0, 3, 0, 1, 2, 1))
	putControl(t, tx, control(5, 4711, 65535, 65535, 99, 16))
	got := finished(t, tx)
	if access.Of(got, 2, 2, 3, 0) != access.Read || !access.MayCreate(got, 2, 99, 4711) {
		t.Errorf("%v", got.Instances(objects.AccessControl))
	}
	for path, left := range map[string]int{"/2/5": 1, "/2": 0, "/": 0} {
		tx := Begin(got, terms())
		if err := tx.Delete(mustPath(path)); err != nil {
			t.Fatal(err)
		}
		if n := len(tx.Tree().Instances(objects.AccessControl)); n != left {
			t.Errorf("%d instances after a Delete of %s", n, path)
		}
	}
}

// Without an instance nothing of object 2 is stored.
func TestAccessControlThatIsDeletedLeavesNothing(t *testing.T) {
	tx := Begin(divided(t, control(0, 3, 0, 1)), terms())
	if err := tx.Delete(mustPath("/2")); err != nil {
		t.Fatal(err)
	}
	if got := finished(t, tx).Objects(); len(got) != 2 {
		t.Errorf("objects %v", got)
	}
}

func TestBootstrapWithAnIncompleteAccessControl(t *testing.T) {
	for name, c := range map[string]struct {
		drop string
		more *lwm2m.Instance
		at   string
		want Reason
	}{
		"no object":       {drop: "/2/0/0", at: "/2/0/0", want: ReasonMissing},
		"no instance":     {drop: "/2/0/1", at: "/2/0/1", want: ReasonMissing},
		"no owner":        {drop: "/2/0/3", at: "/2/0/3", want: ReasonMissing},
		"two about one":   {more: new(control(1, 3, 0, 2)), at: "/2/1/1", want: ReasonSecondControl},
		"two to create":   {more: new(control(4, 9, 65535, 2)), at: "/2/4/1", want: ReasonSecondControl},
		"of another kind": {more: &lwm2m.Instance{ID: 3, Resources: []lwm2m.Resource{single(0, lwm2m.Integer(5)), single(1, lwm2m.Integer(0)), single(3, lwm2m.String("1"))}}, at: "/2/3/3", want: ReasonType},
	} {
		t.Run(name, func(t *testing.T) {
			tree := divided(t, control(0, 3, 0, 1), control(2, 9, 65535, 1))
			if c.drop != "" {
				drop(tree, c.drop)
			}
			if c.more != nil {
				tree.PutInstance(objects.AccessControl, *c.more)
			}
			_, _, err := Begin(tree, terms()).Finish(someTime)
			wantFault(t, err, c.at, c.want)
			if err := Check(tree); err != nil {
				t.Errorf("a record with it keeps the client offline: %v", err)
			}
		})
	}
}

// What counts is bounded like the accounts.
func TestAccessControlIsBounded(t *testing.T) {
	tree := provisioned(t)
	small := Terms{Registry: objects.Core(), Limits: Limits{Bytes: bytesOf(tree) + 10}}
	var limit *LimitError
	if err := Begin(tree, small).Put(mustPath("/2/0"), at("/2/0", control(0, 3, 0, 1).Resources...)); !errors.As(err, &limit) {
		t.Errorf("%v", err)
	}
	tree = divided(t, control(0, 3, 0, 1))
	small.Limits.Bytes = bytesOf(tree) + 10
	if err := Begin(tree, small).Grant(1, mustPath("/3303/0")); !errors.As(err, &limit) {
		t.Errorf("%v", err)
	}
	var wrong *lwm2m.RangeError
	for _, bad := range []lwm2m.Resource{acl(1, -1), acl(1, 65536), single(3, lwm2m.Integer(65536)), single(0, lwm2m.Integer(0))} {
		if err := Begin(tree, terms()).Put(mustPath("/2/0"), at("/2/0", bad)); !errors.As(err, &wrong) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// What an owner writes; that it is the owner the caller has made sure of.
func TestUpdateOfAccessControl(t *testing.T) {
	for name, c := range map[string]struct {
		path    string
		payload lwm2m.Payload
		replace bool
		server1 access.Rights // to /3303/0 afterwards
		server2 access.Rights
		fails   bool
	}{
		"an entry more":                {"/2/0", at("/2/0", acl(2, 1)), false, access.All, access.Read, false},
		"beside those that are there":  {"/2/0/2/1", at("/2/0", acl(1, 3)), true, access.Read | access.Write, access.Write, false},
		"the whole list":               {"/2/0/2", at("/2/0", acl(0, 4)), true, access.All, access.Execute, false},
		"an empty list":                {"/2/0/2", at("/2/0", acl()), true, access.All, access.None, false},
		"the whole instance":           {"/2/0", at("/2/0", single(3, lwm2m.Integer(1)), acl(2, 31)), true, access.All, access.All, false},
		"as it was read":               {"/2/0", at("/2/0", control(0, 3303, 0, 1, 2, 1).Resources...), true, access.All, access.Read, false},
		"reserved bits":                {"/2/0/2/2", at("/2/0", acl(2, 0xffe1)), true, access.All, access.Read, false},
		"handed over":                  {"/2/0/3", at("/2/0", single(3, lwm2m.Integer(2))), true, access.None, access.Write, false},
		"for a server that will come":  {"/2/0/2/7", at("/2/0", acl(7, 1)), true, access.All, access.Write, false},
		"handed over to nobody":        {"/2/0/3", at("/2/0", single(3, lwm2m.Integer(9))), true, access.All, access.Write, true},
		"or to a bootstrap":            {"/2/0/3", at("/2/0", single(3, lwm2m.Integer(65535))), true, access.All, access.Write, true},
		"or to no number":              {"/2/0/3", at("/2/0", single(3, lwm2m.Integer(0))), true, access.All, access.Write, true},
		"without an owner":             {"/2/0", at("/2/0", acl(2, 31)), true, access.All, access.Write, true},
		"about something else":         {"/2/0", at("/2/0", single(0, lwm2m.Integer(3304))), false, access.All, access.Write, true},
		"about another instance of it": {"/2/0", at("/2/0", single(1, lwm2m.Integer(1))), false, access.All, access.Write, true},
		"a right below zero":           {"/2/0/2/2", at("/2/0", acl(2, -1)), true, access.All, access.Write, true},
		"a single entry":               {"/2/0", at("/2/0", single(2, lwm2m.Integer(31))), false, access.All, access.Write, true},
	} {
		t.Run(name, func(t *testing.T) {
			tx := Begin(divided(t, control(0, 3303, 0, 1, 2, 2), control(1, 3, 0, 65535)), terms())
			if err := tx.Update(mustPath(c.path), c.payload, c.replace); (err != nil) != c.fails {
				t.Fatal(err)
			}
			one, two := access.Of(tx.Tree(), 2, 1, 3303, 0), access.Of(tx.Tree(), 2, 2, 3303, 0)
			if one != c.server1 || two != c.server2 {
				t.Errorf("the servers have %v and %v, want %v and %v", one, two, c.server1, c.server2)
			}
		})
	}
}

// An owner that is gone is no reason to refuse a Write of something else.
func TestUpdateKeepsAnOwnerThatIsThere(t *testing.T) {
	tx := Begin(divided(t, control(0, 3303, 0, 65535)), terms())
	if err := tx.Update(mustPath("/2/0/2"), at("/2/0", acl(2, 1)), true); err != nil {
		t.Error(err)
	}
}

// Whoever creates an instance owns it, whatever an instance of that number was.
func TestGrantAndWithdraw(t *testing.T) {
	base := divided(t, control(0, 3303, 65535, 65535, 1, 16, 2, 16), control(1, 3303, 0, 1), control(3, 3303, 7, 1, 1, 31))
	tx := Begin(base, terms())
	if err := tx.Grant(2, mustPath("/3303/7")); err != nil {
		t.Fatal(err)
	}
	tree := tx.Tree()
	if access.Of(tree, 2, 2, 3303, 7) != access.All || access.Of(tree, 2, 1, 3303, 7) != access.None {
		t.Error("the creator is not the owner")
	}
	if access.Of(tree, 2, 1, 3303, 0) != access.All || !access.MayCreate(tree, 2, 1, 3303) {
		t.Error("something else has changed")
	}
	if faults := controlFaults(tree); len(faults) > 0 {
		t.Error(faults)
	}
	tx.Withdraw(mustPath("/3303/7"))
	base.DeleteInstance(objects.AccessControl, 3)
	if !tx.Tree().Equal(base) {
		t.Error("more or less has gone than what was about the instance")
	}
	tx.Withdraw(mustPath("/3303/7"))
	if !tx.Tree().Equal(base) {
		t.Error("to withdraw what is not there changes something")
	}
	unused := Begin(provisioned(t), terms())
	if err := unused.Grant(1, mustPath("/3303/0")); err != nil || !unused.Tree().Equal(provisioned(t)) {
		t.Errorf("a grant divides the device: %v", err)
	}
	last := Begin(divided(t, control(1, 3303, 0, 1)), terms())
	last.Withdraw(mustPath("/3303/0"))
	if !last.Tree().Equal(provisioned(t)) {
		t.Error("the last instance leaves an object behind")
	}
}

// Section 7.3.1.2 of LwM2M 1.0: what becomes of object 2 when a bootstrap removes
// server 1.
func TestAServerThatIsRemoved(t *testing.T) {
	base := divided(t,
		control(0, 10, 0, 2, 1, 31, 2, 1), // it has an entry
		control(1, 11, 0, 1, 2, 3),        // it is the owner, and somebody is left
		control(2, 12, 0, 1, 0, 31),       // nobody is
		control(3, 13, 0, 1, 9, 31),       // one that is no server
		control(4, 14, 0, 65535, 1, 16),   // that of a bootstrap
		control(5, 15, 0, 1))              // the bootstrap writes it itself
	tx := Begin(base, terms())
	for _, path := range []string{"/0/1", "/1/0"} {
		if err := tx.Delete(mustPath(path)); err != nil {
			t.Fatal(err)
		}
	}
	putControl(t, tx, control(5, 15, 0, 1, 1, 31))
	want := lwm2m.NewTree()
	for _, c := range []lwm2m.Instance{
		control(0, 10, 0, 2, 2, 1), control(1, 11, 0, 2, 2, 3), control(4, 14, 0, 65535), control(5, 15, 0, 1, 1, 31),
	} {
		want.PutInstance(objects.AccessControl, c)
	}
	got := finished(t, tx)
	got.DeleteObject(objects.Security)
	got.DeleteObject(objects.Server)
	if !got.Equal(want) {
		a, _ := got.Payload(lwm2m.Path{})
		b, _ := want.Payload(lwm2m.Path{})
		t.Errorf("\n got %v\nwant %v", a.Nodes, b.Nodes)
	}
}

// A bootstrap that replaces the accounts by the same servers takes nothing from them.
func TestAServerThatIsWrittenAnewKeepsItsRights(t *testing.T) {
	base := divided(t, control(0, 10, 0, 1, 2, 1))
	tx := Begin(base, terms())
	for _, obj := range []uint16{objects.Security, objects.Server} {
		path := lwm2m.PathOf(obj)
		all, _ := base.Payload(path)
		if err := tx.Delete(path); err != nil {
			t.Fatal(err)
		}
		if err := tx.Put(path, all); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := finished(t, tx).Payload(mustPath("/2"))
	want, _ := base.Payload(mustPath("/2"))
	if !slices.Equal(got.Nodes, want.Nodes) {
		t.Errorf("%v", got.Nodes)
	}
}

func TestHeir(t *testing.T) {
	here := map[int64]bool{1: true, 2: true, 3: true}
	for name, c := range map[string]struct {
		acl  lwm2m.Resource
		want uint16
	}{
		"the most rights":                {acl(1, 1, 2, 7, 3, 8), 2},
		"of two the lower number":        {acl(2, 3, 3, 12), 2},
		"reserved bits are no rights":    {acl(1, 0xffe0, 3, 1), 3},
		"no rights are better than none": {acl(2, 0), 2},
		"everyone is nobody":             {acl(0, 31), 0},
		"one that is not there":          {acl(7, 31), 0},
	} {
		if heir, found := heirOf(c.acl, here); heir != c.want || found != (c.want > 0) {
			t.Errorf("%s: %d", name, heir)
		}
	}
}

// What servers write of object 2 is stored with object 1, and records without it are
// as they have always been.
func TestWrittenHasAccessControl(t *testing.T) {
	factory := divided(t, control(0, 3303, 0, 1))
	tx := Begin(factory, terms())
	if err := tx.Grant(2, mustPath("/3303/1")); err != nil {
		t.Fatal(err)
	}
	got, err := Restore(factory, encodeWritten(t, WrittenOn(tx.Tree(), BasisOf(factory))))
	if err != nil || !got.Equal(tx.Tree()) {
		t.Fatalf("%v", err)
	}
	if _, err := Restore(provisioned(t), encodeWritten(t, WrittenOn(tx.Tree(), BasisOf(factory)))); !errors.Is(err, ErrVoid) {
		t.Errorf("other rights are configured, and %v", err)
	}
	tx.Withdraw(mustPath("/3303/0"))
	tx.Withdraw(mustPath("/3303/1"))
	if got, err = Restore(factory, encodeWritten(t, WrittenOn(tx.Tree(), BasisOf(factory)))); err != nil || len(got.Instances(objects.AccessControl)) > 0 {
		t.Errorf("what is withdrawn comes back: %v", err)
	}
}

// Whatever is written, granted and withdrawn: object 2 stays complete, is about each
// thing once, and can be stored.
func TestAnyAccessControl(t *testing.T) {
	base := divided(t, control(0, 4711, 65535, 65535, 0, 16))
	about := rapid.Custom(func(t *rapid.T) lwm2m.Path {
		return lwm2m.PathOf(rapid.Uint16Range(3, 5).Draw(t, "object"), rapid.Uint16Range(0, 2).Draw(t, "instance"))
	})
	rapid.Check(t, func(t *rapid.T) {
		tx := Begin(base, terms())
		for range rapid.IntRange(1, 12).Draw(t, "operations") {
			target := about.Draw(t, "about")
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				owner := rapid.Uint16Range(1, 2).Draw(t, "owner")
				if err := tx.Grant(owner, target); err != nil {
					t.Fatal(err)
				}
				if access.Of(tx.Tree(), 2, owner, target.Object(), target.Instance()) != access.All {
					t.Fatalf("%v is not the owner of %v", owner, target)
				}
			case 1:
				tx.Withdraw(target)
				if access.Of(tx.Tree(), 2, 1, target.Object(), target.Instance()) != access.None {
					t.Fatalf("rights to %v are left", target)
				}
			default:
				all := tx.Tree().Instances(objects.AccessControl)
				path := lwm2m.PathOf(objects.AccessControl, rapid.SampledFrom(all).Draw(t, "control"))
				entries := acl(int64(rapid.Uint16Range(0, 4).Draw(t, "server")), rapid.Int64Range(-1, 65536).Draw(t, "rights"))
				_ = tx.Update(path, at(path.String(), entries), rapid.Bool().Draw(t, "replace"))
			}
		}
		tree := tx.Tree()
		if faults := controlFaults(tree); len(faults) > 0 {
			t.Fatal(faults)
		}
		if _, err := EncodeWithin(tree, Limits{}); err != nil {
			t.Fatal(err)
		}
	})
}

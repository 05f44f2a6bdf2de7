package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// control makes an instance of object 2; rights are those of the servers from 1 on.
func control(inst uint16, object, about, owner int64, rights ...int64) lwm2m.Instance {
	acl := lwm2m.Resource{ID: objects.AccessControlACL, Multiple: true}
	for i, r := range rights {
		acl.Instances = append(acl.Instances, lwm2m.ResourceInstance{ID: uint16(i) + 1, Value: lwm2m.Integer(r)})
	}
	return lwm2m.Instance{ID: inst, Resources: []lwm2m.Resource{
		{ID: objects.AccessControlObjectID, Value: lwm2m.Integer(object)},
		{ID: objects.AccessControlObjectInstanceID, Value: lwm2m.Integer(about)},
		acl,
		{ID: objects.AccessControlOwner, Value: lwm2m.Integer(owner)},
	}}
}

// sharedTree is what a bootstrap has delivered: the servers 1 and 2 may create instances
// of /3303, server 1 owns /2/1, and server 2 may write what the first has of object 1.
func sharedTree(t *testing.T) *lwm2m.Tree {
	tree := accounts.ToTree([]messages.Account{bootstrapAccount(t), serverAccount(t, server(1), 1), serverAccount(t, server(2), 2)})
	for _, c := range []lwm2m.Instance{
		control(0, 3303, 65535, 65535, 16, 16), control(1, 3, 0, 1), control(2, 1, 0, 65535, 0, 3), control(3, 1, 9, 65535, 2, 2),
	} {
		tree.PutInstance(objects.AccessControl, c)
	}
	return tree
}

// shared is a client with that, whose servers have registered it.
func shared(t *testing.T) *driver {
	t.Helper()
	d := running(t, bootstrapAccount(t))
	tree := sharedTree(t)
	d.records[messages.RecordCredentials] = accounts.Encode(tree) // as bootstrap does
	d.bootstrap(tree)
	d.register(server(1))
	d.register(server(2))
	return d
}

// access asks for a change of object 2, and returns the answer if there is one.
func (d *driver) access(id messages.Peer, instance string, deleted bool) messages.ModelWritten {
	d.t.Helper()
	path, err := lwm2m.ParsePath(instance)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.change(messages.ChangeAccess{Peer: id, Epoch: d.epoch(id), Instance: path, Deleted: deleted})
}

func (d *driver) change(in messages.ChangeAccess) messages.ModelWritten {
	d.t.Helper()
	before := len(d.outcomes)
	in.ID, in.Deadline = uint64(before+1), d.now.Add(30*time.Second)
	d.step(in)
	if len(d.outcomes) == before {
		return messages.ModelWritten{}
	}
	last := d.outcomes[len(d.outcomes)-1]
	d.step(messages.WriteAnswered{Epoch: last.Epoch, ID: last.ID})
	return last
}

// rights are those that a server has to an instance, by what is in force and by what
// is stored, which must be the same.
func (d *driver) rights(id messages.Peer, object, instance uint16) access.Rights {
	d.t.Helper()
	stored, err := accounts.Decode(d.records[messages.RecordCredentials])
	if err != nil {
		d.t.Fatal(err)
	}
	now := access.Of(d.machine.tree, 2, id.ID, object, instance)
	if kept := access.Of(stored, 2, id.ID, object, instance); kept != now {
		d.t.Fatalf("%v in force, %v stored", now, kept)
	}
	return now
}

// Object 2 is changed by the owner of each instance, and object 1 of another server
// by whoever has been given the right.
func TestWriteByRight(t *testing.T) {
	d := shared(t)
	for _, c := range []struct {
		by   messages.Peer
		path string
		v    lwm2m.Value
		want messages.CoAPCode
	}{
		{server(1), "/2/1/2/2", lwm2m.Integer(5), messages.Changed},
		{server(2), "/2/1/2/2", lwm2m.Integer(31), messages.Unauthorized},
		{server(1), "/2/0/2/1", lwm2m.Integer(31), messages.Unauthorized}, // a bootstrap's
		{server(1), "/2/7/2/1", lwm2m.Integer(31), messages.Unauthorized}, // nobody's
		{server(1), "/2/1/3", lwm2m.Integer(65535), messages.BadRequest},
		{server(1), "/2/1/3", lwm2m.Integer(2), messages.Changed},
		{server(1), "/2/1/3", lwm2m.Integer(1), messages.Unauthorized}, // no more
		{server(2), "/1/0/1", lwm2m.Integer(hour), messages.Changed},
		{server(1), "/1/1/1", lwm2m.Integer(hour), messages.Unauthorized},
		{server(1), "/1/0/1", lwm2m.Integer(2 * hour), messages.Changed}, // its own, whatever object 2 says
		{server(1), "/1/9/1", lwm2m.Integer(hour), messages.NotFound},    // by right, but gone
	} {
		if got := d.put(c.by, c.path, c.v); got.Code != c.want {
			t.Errorf("%v writes %s: %v %s, want %v", c.by, c.path, got.Code, got.Detail, c.want)
		}
	}
	if got := d.rights(server(2), 3, 0); got != access.Read|access.Execute {
		t.Errorf("server 2 has %v to /3/0", got)
	}
	if got := d.machine.accounts.of(server(1)).Lifetime; got != 2*time.Hour {
		t.Errorf("lifetime %v", got)
	}
}

// Who creates an instance is its owner: that is durable before it is answered, told to
// every server, and gone with the instance.
func TestCreatorBecomesTheOwner(t *testing.T) {
	d := shared(t)
	d.hung = true
	if got := d.access(server(2), "/3303/4", false); got.Code != 0 || len(d.saves) != 1 {
		t.Fatalf("answered %v before it is durable", got)
	}
	d.hung = false
	d.answerSaves()
	last := d.outcomes[0]
	d.expectWritten(last, messages.Changed)
	d.step(messages.WriteAnswered{Epoch: last.Epoch, ID: last.ID})
	if d.rights(server(2), 3303, 4) != access.All || d.rights(server(1), 3303, 4) != access.None {
		t.Error("the creator is not the owner")
	}
	announced := lastOrder[messages.ObjectsChanged](d).Objects
	if len(announced) != 3 || announced[1].ID != objects.AccessControl || len(announced[1].Instances) != 5 {
		t.Errorf("announced %v", announced)
	}
	next := d.again(bootstrapAccount(t))
	if access.Of(next.machine.tree, 2, 2, 3303, 4) != access.All {
		t.Error("it is lost after a restart")
	}
	d.expectWritten(d.access(server(1), "/3303/4", true), messages.Changed)
	if d.rights(server(2), 3303, 4) != access.None || !access.MayCreate(d.machine.tree, 2, 2, 3303) {
		t.Error("more or less has gone than what was about the instance")
	}
}

func TestCreateWithoutTheRight(t *testing.T) {
	d := shared(t)
	d.expectWritten(d.access(server(1), "/3304/0", false), messages.Unauthorized)
	d.expectWritten(d.access(server(1), "/1/3", false), messages.Unauthorized)
	d.expectWritten(d.change(messages.ChangeAccess{Peer: server(1), Epoch: 99, Instance: lwm2m.PathOf(3303, 0)}), messages.Unauthorized)
	d.expectWritten(d.change(messages.ChangeAccess{Peer: server(2), Epoch: d.epoch(server(1)), Instance: lwm2m.PathOf(3303, 0)}), messages.Unauthorized)
	if got := d.machine.tree.Instances(objects.AccessControl); len(got) != 4 {
		t.Errorf("object 2 has %v", got)
	}
}

// An instance that has been deleted is gone, whatever has become of the server since.
func TestDeletionCountsWithoutALink(t *testing.T) {
	d := shared(t)
	d.expectWritten(d.access(server(2), "/3303/4", false), messages.Changed)
	epoch := d.epoch(server(2))
	d.fail(server(2), messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegistered})
	d.expectWritten(d.change(messages.ChangeAccess{Peer: server(2), Epoch: epoch, Instance: lwm2m.PathOf(3303, 4), Deleted: true}), messages.Changed)
	if got := d.rights(server(2), 3303, 4); got != access.None {
		t.Errorf("%v are left", got)
	}
}

// Where nothing is divided, a new instance divides nothing.
func TestCreateWithoutObject2(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1))
	d.register(server(1))
	d.expectWritten(d.access(server(1), "/3303/0", false), messages.Changed)
	d.expectWritten(d.access(server(1), "/3303/0", true), messages.Changed)
	if len(d.machine.tree.Objects()) != 2 || len(d.saves) > 0 || d.records[messages.RecordServer] != nil {
		t.Errorf("objects %v", d.machine.tree.Objects())
	}
}

// What is not durable is not in force, and a bootstrap comes first.
func TestChangesOfAccessThatFail(t *testing.T) {
	d := shared(t)
	before := d.machine.tree.Clone()
	d.disk = errors.New("no space left on device")
	d.expectWritten(d.access(server(1), "/3303/0", false), messages.InternalServerError)
	if !d.machine.tree.Equal(before) {
		t.Error("it is in force")
	}
	d.disk = nil
	d.hung = true
	d.access(server(1), "/3303/0", false)
	d.expectWritten(d.access(server(1), "/3303/1", false), messages.ServiceUnavailable) // one at a time
	d.hung = false
	d.answerSaves()
	d.call(messages.CallBootstrap)
	d.expectWritten(d.access(server(1), "/3303/2", false), messages.ServiceUnavailable)
	d.fail(messages.BootstrapPeer(), messages.Failure{Class: messages.ClassTimeout, Phase: messages.PhaseBootstrap})
	d.expectWritten(d.access(server(1), "/3303/2", false), messages.Changed)
	if d.rights(server(1), 3303, 0) != access.All || d.rights(server(1), 3303, 1) != access.None {
		t.Error("what was refused is in force, or what was accepted is not")
	}
}

// The rights that a bootstrap has given go with a factory reset.
func TestFactoryResetRemovesObject2(t *testing.T) {
	d := shared(t)
	d.step(messages.CallRequest{Call: messages.CallFactoryReset})
	delete(d.records, messages.RecordCredentials) // as the store does
	d.step(messages.CredentialsForgotten{Token: d.resets[0].Token})
	d.loaded(nil, nil)
	if got := d.machine.tree.Instances(objects.AccessControl); len(got) > 0 {
		t.Errorf("instances %v are left", got)
	}
}

// A server that creates and deletes in a loop wears out the disk no more than one that
// writes.
func TestInstancesCannotWearOutTheDisk(t *testing.T) {
	d := shared(t)
	for i := range 30 {
		for _, deleted := range []bool{false, true} {
			if got := d.access(server(1), "/3303/0", deleted); got.Code != messages.Changed {
				t.Fatalf("change %d: %v", i, got)
			}
		}
	}
	d.expectWritten(d.access(server(1), "/3303/0", false), messages.ServiceUnavailable)
	d.expectWritten(d.access(server(2), "/3303/0", false), messages.Changed)
}

// A crash of management between the change and its answer loses neither.
func TestAccessOutlivesACrashOfManagement(t *testing.T) {
	d := shared(t)
	d.step(messages.ChangeAccess{
		Peer: server(1), Epoch: d.epoch(server(1)), ID: 7, Instance: lwm2m.PathOf(3303, 0), Deadline: d.now.Add(30 * time.Second),
	})
	d.step(Crashed{Role: core.Management, Reason: errors.New("broken")})
	d.fire(respawnTimer(core.Management))
	if len(d.outcomes) != 2 || d.outcomes[0] != d.outcomes[1] || d.outcomes[0].Code != messages.Changed {
		t.Errorf("%v", d.outcomes)
	}
}

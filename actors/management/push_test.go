package management

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// pushing is a part of an image that server 1 pushes.
func pushing(offset uint64, body string, next bool) messages.InboundBlock {
	return messages.InboundBlock{Inbound: withPayload(request(messages.PUT, "/5/0/0"), body), Offset: offset, Next: next}
}

// accessTo5 is a model in which object 5 belongs to server 2, and server 1 has some rights.
func accessTo5(rights int64) *lwm2m.Tree {
	tree := accountsModel()
	instance := func(id uint16, value int64) lwm2m.ResourceInstance {
		return lwm2m.ResourceInstance{ID: id, Value: lwm2m.Integer(value)}
	}
	tree.PutInstance(2, lwm2m.Instance{ID: 0, Resources: []lwm2m.Resource{
		{ID: 0, Value: lwm2m.Integer(5)}, {ID: 1, Value: lwm2m.Integer(0)},
		{ID: 2, Multiple: true, Instances: []lwm2m.ResourceInstance{instance(1, rights), instance(2, 1)}},
		{ID: 3, Value: lwm2m.Integer(2)},
	}})
	return tree
}

// An image is handed on part by part, as it came, and is not answered here.
func TestPush(t *testing.T) {
	d, _ := newReporter(t)
	d.heard = nil
	parts := []messages.InboundBlock{
		pushing(0, strings.Repeat("a", 1024), true),
		pushing(1024, strings.Repeat("b", 1024), true),
		pushing(2048, "c", false),
		pushing(0, "image in one message", false),
		pushing(0, "", false),
		pushing(0, "\x00", false),
	}
	for _, f := range []messages.Format{messages.FormatOpaque, 1544} {
		part := pushing(0, "image", true)
		part.ContentFormat = &f
		parts = append(parts, part)
	}
	for f, body := range map[messages.Format]string{messages.FormatTLV: "\xc5\x00image", 1542: "\xc5\x00image", messages.FormatCBOR: "\x45image"} {
		part := pushing(0, body, false)
		part.ContentFormat = &f
		parts = append(parts, part)
	}
	for offset, body := range map[uint64]string{0: "\xd0\x00\x01\x00" + strings.Repeat("a", 12), 16: strings.Repeat("b", 16)} {
		part := pushing(offset, body, true)
		part.ContentFormat = new(messages.FormatTLV)
		parts = append(parts, part)
	}
	for _, part := range parts {
		d.step(part)
	}
	if said := heardOf[messages.InboundBlock](d); !reflect.DeepEqual(said, parts) {
		t.Errorf("handed on %v", said)
	}
	if len(d.replies) > 0 || d.calls > 0 {
		t.Errorf("answered %v, %d calls", d.replies, d.calls)
	}
}

func TestRefusedPushes(t *testing.T) {
	to := func(code messages.CoAPCode, path string) messages.InboundBlock {
		return messages.InboundBlock{Inbound: withPayload(request(code, path), "image"), Next: true}
	}
	with := func(f messages.Format, body string) messages.InboundBlock {
		part := pushing(0, body, true)
		part.ContentFormat = &f
		return part
	}
	tooShort := with(messages.FormatTLV, "\xc6\x00image")
	tooShort.Next = false
	querying := func(body string) messages.InboundBlock {
		part := pushing(0, body, false)
		part.Query = []string{"pmin=1"}
		return part
	}
	for _, c := range []struct {
		name string
		in   messages.InboundBlock
		want messages.CoAPCode
	}{
		{"by POST", to(messages.POST, "/5/0/0"), messages.MethodNotAllowed},
		{"by iPATCH", to(messages.IPATCH, "/5/0/0"), messages.MethodNotAllowed},
		{"to a resource that is executed", to(messages.POST, "/5/0/2"), messages.MethodNotAllowed},
		{"to a resource that cannot be written", to(messages.PUT, "/5/0/3"), messages.MethodNotAllowed},
		{"to an instance", to(messages.PUT, "/5/0"), messages.MethodNotAllowed},
		{"to an instance that is not there", to(messages.PUT, "/5/1/0"), messages.NotFound},
		{"to an object that is not there", to(messages.PUT, "/6/0/0"), messages.NotFound},
		{"to no path", to(messages.PUT, "/5/x"), messages.BadRequest},
		{"to credentials", to(messages.PUT, "/0/0/5"), messages.Unauthorized},
		{"attributes", querying(""), messages.MethodNotAllowed},
		{"attributes with an image", querying("image"), messages.BadRequest},
		{"as text", with(messages.FormatText, "image"), messages.UnsupportedFormat},
		{"as SenML", with(messages.FormatSenMLCBOR, "\x81"), messages.UnsupportedFormat},
		{"as TLV of another resource", with(messages.FormatTLV, "\xc5\x01image"), messages.BadRequest},
		{"as TLV that is too short", tooShort, messages.BadRequest},
		{"as text in CBOR", with(messages.FormatCBOR, "\x65image"), messages.BadRequest},
	} {
		d, _ := newReporter(t)
		d.heard = nil
		d.step(c.in)
		if len(d.replies) != 1 || d.replies[0].Code != c.want || d.replies[0].ID != c.in.ID || len(d.heard) > 0 {
			t.Errorf("%s: %v, handed on %v", c.name, d.replies, d.heard)
		}
	}
}

// Rights that end while an image is on its way end it.
func TestPushOfAServerWithoutRights(t *testing.T) {
	d, _ := newReporter(t)
	const write = 2
	d.step(messages.ModelChanged{Tree: accessTo5(write)})
	d.heard = nil
	if d.step(pushing(0, "a", true)); len(heardOf[messages.InboundBlock](d)) != 1 {
		t.Fatalf("with rights: %v", d.replies)
	}
	d.step(messages.ModelChanged{Tree: accessTo5(write ^ 31)})
	d.heard = nil
	d.step(pushing(1, "b", true))
	if len(d.replies) != 1 || d.replies[0].Code != messages.Unauthorized || len(d.heard) > 0 {
		t.Errorf("%v, handed on %v", d.replies, d.heard)
	}
}

// Without a firmware update nobody takes an image, and an object that fails to say what it has
// is not asked further.
func TestPushThatNobodyTakes(t *testing.T) {
	broken := newUpdateObject()
	config := Config{Objects: []object.Object{broken}}
	d := newDesk(t, config).registered()
	d.step(pushing(0, "image", true))
	if len(d.replies) != 1 || d.replies[0].Code != messages.InternalServerError {
		t.Errorf("without an update: %v", d.replies)
	}
	panics := &panicking{updateObject: newUpdateObject()}
	d = newDesk(t, Config{Objects: []object.Object{panics}, Updates: &Updates{Reported: reportedHere, Owed: (&reporter{}).owed, Has: (&reporter{}).has}}).registered()
	panics.now, d.heard = true, nil
	d.step(pushing(0, "image", true))
	if len(d.replies) != 1 || d.replies[0].Code != messages.InternalServerError || len(d.heard) > 0 {
		t.Errorf("an object that panics: %v, handed on %v", d.replies, d.heard)
	}
}

// panicking is an object that panics when it is asked for what it has.
type panicking struct {
	*updateObject
	now bool
}

func (p *panicking) Snapshot(instance uint16) (lwm2m.Instance, bool, bool) {
	if p.now {
		panic("broken")
	}
	return p.updateObject.Snapshot(instance)
}

// manifest is an object whose resource 1 takes a manifest.
type manifest struct{ memory }

func (manifest) Definition() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{ID: 10252, Name: "Manifest", Version: "1.0", Resources: []lwm2m.ResourceDef{
		{ID: 1, Name: "Manifest", Kind: lwm2m.KindOpaque, Operations: lwm2m.OpWrite, Mandatory: true},
		{ID: 2, Name: "State", Kind: lwm2m.KindInteger, Operations: lwm2m.OpRead, Mandatory: true},
		{ID: 9, Name: "Manual Trigger", Operations: lwm2m.OpExecute, Mandatory: true},
	}}
}

func newManifest() manifest {
	s := newShelf(10252)
	s.tree.PutInstance(10252, lwm2m.Instance{ID: 0, Resources: []lwm2m.Resource{{ID: 2, Value: lwm2m.Integer(1)}}})
	return manifest{memory{s}}
}

// A POST with a payload writes where that is said, in every format in which a PUT does, and
// without one.
func TestWriteByPost(t *testing.T) {
	path := lwm2m.PathOf(10252, 0, 1)
	post := request(messages.POST, "/10252/0/1")
	querying := withPayload(post, "manifest")
	querying.Query = []string{"pmin=1"}
	for _, c := range []struct {
		name string
		in   messages.Inbound
		want messages.CoAPCode
		has  string
	}{
		{"no format", withPayload(post, "1='\x00manifest"), messages.Changed, "1='\x00manifest"},
		{"opaque", withBody(post, messages.FormatOpaque, "manifest"), messages.Changed, "manifest"},
		{"opaque of a draft", withBody(post, 1544, "manifest"), messages.Changed, "manifest"},
		{"TLV", withBody(post, messages.FormatTLV, "\xc8\x01\x08manifest"), messages.Changed, "manifest"},
		{"nothing", post, messages.Changed, ""},
		{"text, which is base64", withBody(post, messages.FormatText, "bWFuaWZlc3Q="), messages.Changed, "manifest"},
		{"text that is not", withBody(post, messages.FormatText, "!"), messages.BadRequest, "none"},
		{"another format", withBody(post, messages.FormatLinkFormat, "manifest"), messages.UnsupportedFormat, "none"},
		{"with attributes", querying, messages.BadRequest, "none"},
		{"to another resource", withPayload(request(messages.POST, "/10252/0/2"), "manifest"), messages.MethodNotAllowed, "none"},
		{"to one that is executed", withPayload(request(messages.POST, "/10252/0/9"), "0"), messages.Changed, "none"},
		{"by GET", request(messages.GET, "/10252/0/1"), messages.MethodNotAllowed, "none"},
	} {
		o := newManifest()
		o.tree.PutResource(10252, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Opaque([]byte("none"))})
		d := newDesk(t, Config{Objects: []object.Object{o}, Updates: &Updates{PostWrites: []lwm2m.Path{path}}}).registered()
		reply := d.ask(c.in)
		v, _ := o.tree.Value(path)
		if reply.Code != c.want || string(v.Bytes()) != c.has {
			t.Errorf("%s: %v %s, has %q", c.name, reply.Code, reply.Payload, v.Bytes())
		}
	}
	d := newDesk(t, Config{Objects: []object.Object{newManifest()}}).registered()
	if reply := d.ask(withPayload(post, "manifest")); reply.Code != messages.MethodNotAllowed {
		t.Errorf("where it is not said: %v", reply.Code)
	}
}

// What writes by POST takes the right to write.
func TestRightsOfAWriteByPost(t *testing.T) {
	o := newUpdateObject()
	d := newDesk(t, Config{Objects: []object.Object{o}, Updates: &Updates{PostWrites: []lwm2m.Path{lwm2m.PathOf(5, 0, 0)}}}).registered()
	in := withPayload(request(messages.POST, "/5/0/0"), "image")
	for rights, want := range map[int64]messages.CoAPCode{2: messages.Changed, 4: messages.Unauthorized} {
		d.step(messages.ModelChanged{Tree: accessTo5(rights)})
		if reply := d.ask(in); reply.Code != want {
			t.Errorf("rights %d: %v", rights, reply.Code)
		}
	}
}

// What an object of the client's own says of an Execute comes through, a Write may take its
// time, and Discover lists it.
func TestObjectsOfAnUpdate(t *testing.T) {
	d, r := newReporter(t)
	r.object.hook = func(_ context.Context, what string) error {
		if what == "execute" {
			return object.Refuse(messages.MethodNotAllowed, "nothing has been downloaded")
		}
		return nil
	}
	if reply := d.ask(request(messages.POST, "/5/0/2")); reply.Code != messages.MethodNotAllowed || string(reply.Payload) != "nothing has been downloaded" {
		t.Errorf("Execute: %v %s", reply.Code, reply.Payload)
	}
	const links = `</5/0/0>,</5/0/1>,</5/0/2>,</5/0/3>`
	if reply := d.ask(accepting("/5", messages.FormatLinkFormat)); !strings.Contains(string(reply.Payload), links) {
		t.Errorf("Discover: %s", reply.Payload)
	}
}

// While a Write to object 5 is being carried out the next one waits for it.
func TestWritesOfAnUpdateAreOrdered(t *testing.T) {
	d, r := newReporter(t)
	var busy []Call
	d.hang = func(c Call) bool { busy = append(busy, c); return true }
	for i, uri := range []string{"coap://one", ""} {
		in := withBody(request(messages.PUT, "/5/0/1"), text, uri)
		in.ID = uint64(200 + i)
		d.step(in)
	}
	d.step(pushing(0, "image", true)) // is nobody's turn: update orders what it gets
	if len(busy) != 1 || len(d.replies) > 0 || len(heardOf[messages.InboundBlock](d)) != 1 {
		t.Fatalf("%d calls, %d answers", len(busy), len(d.replies))
	}
	d.hang = nil
	d.carryOut([]core.Effect{busy[0]})
	if len(d.replies) != 2 || d.replies[0].ID != 200 || d.replies[1].ID != 201 || strings.Join(r.object.did, ",") != "write,write" {
		t.Errorf("answers %v after %v", d.replies, r.object.did)
	}
	if v, _ := r.object.tree.Value(lwm2m.PathOf(5, 0, 1)); v.Text() != "" {
		t.Errorf("the URI is %q", v.Text())
	}
}

package management

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// attributed is a request with a notification attribute, which is for Write-Attributes.
func attributed(in messages.Inbound) messages.Inbound { in.Query = []string{"pmin=5"}; return in }

// The codes of protocol and model, whichever way an object has its values.
func TestObjectCodes(t *testing.T) {
	get, put, post, del := messages.GET, messages.PUT, messages.POST, messages.DELETE
	for _, c := range []struct {
		name string
		in   messages.Inbound
		want string
	}{
		{"read object", accepting("/4000", jsonF), `2.05 [{"bn":"/4000/","n":"0/0","vs":"top"},{"n":"0/1","v":2.5},{"n":"0/2/0","v":7},{"n":"0/2/3","v":9},{"n":"7/0","vs":"top"},{"n":"7/1","v":2.5},{"n":"7/2/0","v":7},{"n":"7/2/3","v":9}]`},
		{"read instance", accepting("/4000/7", jsonF), `2.05 [{"bn":"/4000/7/","n":"0","vs":"top"},{"n":"1","v":2.5},{"n":"2/0","v":7},{"n":"2/3","v":9}]`},
		{"read resource", accepting("/4000/7/0", text), "2.05 top"},
		{"read another resource", accepting("/4000/7/1", text), "2.05 2.5"},
		{"read resource instance", accepting("/4000/7/2/3", text), "2.05 9"},
		{"read unknown instance", request(get, "/4000/1"), "4.04"},
		{"read unknown resource", request(get, "/4000/0/99"), "4.04"},
		{"read unset resource", request(get, "/4000/0/5"), "4.04"},
		{"read unknown resource instance", request(get, "/4000/0/2/1"), "4.04"},
		{"read instance of single", request(get, "/4000/0/0/0"), "4.04"},
		{"read executable", request(get, "/4000/0/3"), "4.05"},
		{"read write-only", request(get, "/4000/0/4"), "4.05"},
		{"read in a format that cannot", accepting("/4000/0/1", opaque), "4.06"},
		{"read with attributes", attributed(request(get, "/4000/0/1")), "4.00"},
		{"discover with attributes", attributed(accepting("/4000/0", links)), "4.00"},
		{"write with attributes", attributed(withBody(request(put, "/4000/0/0"), text, "low")), "4.00"},
		{"execute with attributes", attributed(request(post, "/4000/0/3")), "4.00"},
		{"create with attributes", attributed(withBody(request(post, "/4000"), jsonF, `[{"bn":"/4000/3/","n":"0","vs":"new"}]`)), "4.00"},
		{"delete with attributes", attributed(request(del, "/4000/7")), "4.00"},
		{"attributes of what is not there", attributed(request(get, "/4000/1")), "4.04"},
		{"discover resource", accepting("/4000/0/2", links), "2.05 </4000/0/2>;dim=2"},
		{"discover executable", accepting("/4000/0/3", links), "2.05 </4000/0/3>"},
		{"discover resource instance", accepting("/4000/0/2/0", links), "4.05"},

		{"replace", withBody(request(put, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"0","vs":"low"}]`), "2.04"},
		{"replace without a mandatory one", withBody(request(put, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"5","vs":"x"}]`), "4.00"},
		{"update", withBody(request(post, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"5","vs":"x"}]`), "2.04"},
		{"update what is not known", withBody(request(post, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"77","vs":"x"}]`), "2.04"},
		{"update read-only", withBody(request(post, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"1","v":1}]`), "4.05"},
		{"replace read-only", withBody(request(put, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"0","vs":"l"},{"n":"1","v":1}]`), "4.05"},
		{"update read-only with another type", withBody(request(post, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"1","vs":"x"}]`), "4.05"},
		{"replace read-only behind another type", withBody(request(put, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"0","v":1},{"n":"1","v":1}]`), "4.05"},
		{"update read-only behind out of range", withBody(request(post, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"2/0","v":101},{"n":"3","v":1}]`), "4.05"},
		{"update read-only in TLV of another length", withBody(request(post, "/4000/0"), tlvF, "\xc1\x01x"), "4.05"},
		{"update another type", withBody(request(post, "/4000/0"), jsonF, `[{"bn":"/4000/0/","n":"0","v":1}]`), "4.00"},
		{"create with read-only of another type", withBody(request(post, "/4000"), jsonF, `[{"bn":"/4000/9/","n":"0","v":1},{"n":"1","vs":"x"}]`), "4.05"},
		{"create with another type", withBody(request(post, "/4000"), jsonF, `[{"bn":"/4000/9/","n":"0","v":1}]`), "4.00"},
		{"write resource", withBody(request(put, "/4000/0/0"), text, "low"), "2.04"},
		{"write resource that is not there", withBody(request(put, "/4000/0/5"), text, "new"), "2.04"},
		{"write write-only", withBody(request(put, "/4000/0/4"), text, "1234"), "2.04"},
		{"write read-only", withBody(request(put, "/4000/0/1"), text, "1"), "4.05"},
		{"write executable", withBody(request(put, "/4000/0/3"), text, "1"), "4.05"},
		{"write unknown resource", withBody(request(put, "/4000/0/99"), text, "1"), "4.04"},
		{"write to unknown instance", withBody(request(put, "/4000/1/0"), text, "1"), "4.04"},
		{"write resource instance", withBody(request(put, "/4000/0/2/5"), text, "50"), "2.04"},
		{"write instance of single", withBody(request(put, "/4000/0/0/0"), text, "x"), "4.04"},
		{"write another type", withBody(request(put, "/4000/0/2/5"), text, "x"), "4.00"},
		{"write out of range", withBody(request(put, "/4000/0/2/5"), text, "101"), "4.00"},
		{"write format that cannot", withBody(request(put, "/4000/0"), text, "1"), "4.15"},
		{"write without format", withPayload(request(put, "/4000/0/0"), "1"), "4.15"},
		{"write object", withBody(request(put, "/4000"), tlvF, ""), "4.05"},

		{"write nothing to a resource", withBody(request(put, "/4000/0/0"), jsonF, `[]`), "4.00"},
		{"write nothing to a resource in CBOR", withBody(request(put, "/4000/0/0"), cborF, "\x80"), "4.00"},
		{"write nothing to a resource in JSON of 1.0", withBody(request(put, "/4000/0/0"), messages.FormatJSON, `{"e":[]}`), "4.00"},
		{"write nothing to a resource instance", withBody(request(put, "/4000/0/2/0"), jsonF, `[]`), "4.00"},
		{"write no value", withBody(request(put, "/4000/0/0"), jsonF, `[{"n":"/4000/0/0"}]`), "4.00"},
		{"write a resource twice", withBody(request(put, "/4000/0"), jsonF, `[{"n":"/4000/0/0","vs":"a"},{"n":"/4000/0/0","vs":"b"}]`), "4.00"},
		{"write a resource twice in TLV", withBody(request(put, "/4000/0"), tlvF, "\xc1\x00a\xc1\x00b"), "4.00"},
		{"write outside", withBody(request(put, "/4000/0"), jsonF, `[{"n":"/4000/7/0","vs":"a"}]`), "4.00"},
		{"write another instance in TLV", withBody(request(put, "/4000/0"), tlvF, "\x03\x07\xc1\x00a"), "4.00"},
		{"write a resource instance at the instance", withBody(request(put, "/4000/0"), tlvF, "\x41\x00\x01"), "4.00"},
		{"write one value to several", withBody(request(put, "/4000/0/2"), tlvF, "\xc1\x02\x01"), "4.00"},
		{"write several to one value", withBody(request(put, "/4000/0/0"), tlvF, "\x83\x00\x41\x00a"), "4.00"},

		{"execute", request(post, "/4000/0/3"), "2.04"},
		{"execute with arguments", withBody(request(post, "/4000/0/3"), text, "0='1',2"), "2.04"},
		{"execute with garbage", withBody(request(post, "/4000/0/3"), text, "0='"), "4.00"},
		{"execute in TLV", withBody(request(post, "/4000/0/3"), tlvF, ""), "4.15"},
		{"execute readable", request(post, "/4000/0/0"), "4.05"},
		{"execute unknown", request(post, "/4000/0/99"), "4.04"},

		{"create", withBody(request(post, "/4000"), tlvF, "\xc1\x00x"), "2.01"},
		{"create with an ID", withBody(request(post, "/4000"), tlvF, "\x03\x05\xc1\x00x"), "2.01"},
		{"create what is there", withBody(request(post, "/4000"), tlvF, "\x03\x07\xc1\x00x"), "4.00"},
		{"create 65535", withBody(request(post, "/4000"), tlvF, "\x23\xff\xff\xc1\x00x"), "4.00"},
		{"create two", withBody(request(post, "/4000"), tlvF, "\x03\x05\xc1\x00x\x03\x06\xc1\x00x"), "4.00"},
		{"create without a mandatory one", withBody(request(post, "/4000"), tlvF, "\xc1\x05x"), "4.00"},
		{"create with read-only", withBody(request(post, "/4000"), jsonF, `[{"bn":"/4000/9/","n":"0","vs":"l"},{"n":"1","v":1}]`), "4.05"},
		{"create as text", withBody(request(post, "/4000"), text, "x"), "4.15"},
		{"create without a payload", request(post, "/4000"), "4.00"}, // a mandatory one is missing
		{"create 65534", withBody(request(post, "/4000"), jsonF, `[{"n":"/4000/65534/0","vs":"a"}]`), "2.01"},
		{"create of another object", withBody(request(post, "/4000"), jsonF, `[{"n":"/4001/3/0","vs":"a"}]`), "4.00"},
		{"create an instance in an instance", withBody(request(post, "/4000"), tlvF, "\x05\x05\x03\x06\xc1\x00a"), "4.00"},
		{"create garbage", withBody(request(post, "/4000"), tlvF, "\xff"), "4.00"},

		{"delete", request(del, "/4000/7"), "2.02"},
		{"delete unknown", request(del, "/4000/1"), "4.04"},
		{"delete object", request(del, "/4000"), "4.05"},
		{"delete resource", request(del, "/4000/7/0"), "4.05"},
		{"delete resource instance", request(del, "/4000/7/2/0"), "2.02"},
		{"delete unknown resource instance", request(del, "/4000/7/9/0"), "4.04"},
	} {
		for name, variant := range variants {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				m := withObjects(variant(newShelf(shelfID, 0, 7)))
				reply, _ := answerTo(t, m, c.in)
				got := reply.Code.String()
				if strings.Contains(c.want, " ") {
					got += " " + string(reply.Payload)
				}
				if got != c.want {
					t.Errorf("got %s (%s), want %s", got, reply.Payload, c.want)
				}
			})
		}
	}
}

// Discover lists what there is, and asks for what it cannot know otherwise.
func TestDiscoverObject(t *testing.T) {
	for name, c := range map[string]string{
		"read":     "</4000>;ver=1.1,</4000/7>,</4000/7/0>,</4000/7/1>,</4000/7/2>;dim=2,</4000/7/3>,</4000/7/4>,</4000/7/6>",
		"memory":   "</4000>;ver=1.1,</4000/7>,</4000/7/0>,</4000/7/1>,</4000/7/2>;dim=2,</4000/7/3>,</4000/7/4>,</4000/7/6>",
		"resource": "</4000>;ver=1.1,</4000/7>,</4000/7/0>,</4000/7/1>,</4000/7/2>;dim=2,</4000/7/3>,</4000/7/4>",
	} {
		m := withObjects(variants[name](newShelf(shelfID, 7)))
		if reply, _ := answerTo(t, m, accepting("/4000", links)); string(reply.Payload) != c {
			t.Errorf("%s: %s", name, reply.Payload)
		}
		m.Step(now, messages.SessionUp{Peer: messages.ManagementPeer(1), Epoch: 4, Version: "1.0"})
		if reply, _ := answerTo(t, m, accepting("/4000", links)); !strings.HasPrefix(string(reply.Payload), `</4000>;ver="1.1",`) {
			t.Errorf("1.0, %s: %s", name, reply.Payload)
		}
	}
}

// value is what a shelf has at a path, as text; "-" for nothing.
func (s *shelf) value(path string) string {
	p, _ := lwm2m.ParsePath(path)
	v, found := s.tree.Value(p)
	if !found {
		return "-"
	}
	return v.String()
}

// What a Write leaves, by operation and version (section 6.3.3).
func TestWrites(t *testing.T) {
	bins := `[{"bn":"/4000/7/","n":"2/3","v":1},{"n":"2/5","v":2}]`
	for _, c := range []struct {
		name    string
		version string
		in      messages.Inbound
		want    string // of /0, /2/0, /2/3, /2/5, /4, /5
	}{
		{"replace", "1.1", withBody(request(messages.PUT, "/4000/7"), jsonF, `[{"bn":"/4000/7/","n":"0","vs":"x"},{"n":"5","vs":"y"}]`), "x - - - - y"},
		{"update", "1.1", withBody(request(messages.POST, "/4000/7"), jsonF, `[{"bn":"/4000/7/","n":"5","vs":"y"}]`), "top 7 9 - hush y"},
		{"update merges", "1.1", withBody(request(messages.POST, "/4000/7"), jsonF, bins), "top 7 1 2 hush -"},
		{"update replaces in 1.0", "1.0", withBody(request(messages.POST, "/4000/7"), jsonF, bins), "top - 1 2 hush -"},
		{"update of a resource merges", "1.1", withBody(request(messages.POST, "/4000/7/2"), jsonF, bins), "top 7 1 2 hush -"},
		{"resource by POST in 1.0", "1.0", withBody(request(messages.POST, "/4000/7/2"), jsonF, bins), "top 7 9 - hush -"},
		{"replace resource with nothing", "1.1", withBody(request(messages.PUT, "/4000/7/2"), jsonF, `[]`), "top - - - hush -"},
		{"replace resource with nothing in JSON of 1.0", "1.0", withBody(request(messages.PUT, "/4000/7/2"), messages.FormatJSON, `{"e":[]}`), "top - - - hush -"},
		{"update resource with nothing", "1.1", withBody(request(messages.POST, "/4000/7/2"), jsonF, `[]`), "top 7 9 - hush -"},
		{"replace resource", "1.1", withBody(request(messages.PUT, "/4000/7/2"), jsonF, `[{"bn":"/4000/7/2/","n":"5","v":2}]`), "top - - 2 hush -"},
		{"resource instance", "1.1", withBody(request(messages.PUT, "/4000/7/2/5"), text, "2"), "top 7 9 2 hush -"},
		{"resource instance by POST", "1.0", withBody(request(messages.POST, "/4000/7/2/5"), text, "2"), "top 7 9 2 hush -"},
		{"delete resource instance", "1.1", request(messages.DELETE, "/4000/7/2/0"), "top - 9 - hush -"},
		{"delete resource instance in 1.0", "1.0", request(messages.DELETE, "/4000/7/2/0"), "top 7 9 - hush -"},
	} {
		s := newShelf(shelfID, 7)
		m := withObjects(s)
		m.Step(now, messages.SessionUp{Peer: messages.ManagementPeer(1), Epoch: 4, Version: c.version})
		reply, _ := answerTo(t, m, c.in)
		var got []string
		for _, path := range []string{"/0", "/2/0", "/2/3", "/2/5", "/4", "/5"} {
			got = append(got, s.value("/4000/7"+path))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v %s leaves %v", c.name, reply.Code, reply.Payload, got)
		}
	}
}

// What is known not to be there is neither deleted nor has attributes.
func TestResourceInstancesThatAreNotThere(t *testing.T) {
	attributed := request(messages.PUT, "/4000/0/2/9")
	attributed.Query = []string{"pmin=1"}
	for _, in := range []messages.Inbound{request(messages.DELETE, "/4000/0/2/9"), attributed} {
		s := newShelf(shelfID, 0)
		if reply, _ := answerTo(t, withObjects(memory{s}), in); reply.Code != messages.NotFound || len(s.did) > 0 {
			t.Errorf("%v %v: %v %s", in.Code, in.Path, reply.Code, reply.Payload)
		}
	}
}

// A value that is not there is not found, mandatory or not.
func TestMandatoryValueThatIsNotThere(t *testing.T) {
	for name, variant := range variants {
		s := newShelf(shelfID, 0)
		s.tree.DeleteResource(lwm2m.PathOf(shelfID, 0, 0))
		if reply, _ := answerTo(t, withObjects(variant(s)), request(messages.GET, "/4000/0/0")); reply.Code != messages.NotFound {
			t.Errorf("%s: %v", name, reply.Code)
		}
		if reply, _ := answerTo(t, withObjects(variant(s)), request(messages.GET, "/4000/0/6")); reply.Code != messages.MethodNotAllowed {
			t.Errorf("%s, executable: %v", name, reply.Code)
		}
	}
}

// Where nothing is mandatory a Create needs no payload.
func TestCreateWithoutAPayload(t *testing.T) {
	s := newShelf(shelfID, 0)
	def := shelfDef(shelfID)
	def.Resources[0].Mandatory = false
	reply, _ := answerTo(t, withObjects(defined{s, def}), request(messages.POST, "/4000"))
	if reply.Code != messages.Created || !slices.Equal(reply.LocationPath, []string{"4000", "1"}) || !slices.Equal(s.Instances(), []uint16{0, 1}) {
		t.Errorf("%v %s at %v leaves %v", reply.Code, reply.Payload, reply.LocationPath, s.Instances())
	}
}

// Create answers with the Location, and the registration is told behind the answer.
func TestCreateAndDelete(t *testing.T) {
	s := newShelf(shelfID, 0, 1, 3)
	m := withObjects(s)
	changed := core.Tell{To: core.Supervisor, Message: messages.InstancesChanged{}}
	reply, effects := answerTo(t, m, withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x"))
	if !slices.Equal(reply.LocationPath, []string{"4000", "2"}) || s.value("/4000/2/0") != "x" {
		t.Errorf("%v %s at %v", reply.Code, reply.Payload, reply.LocationPath)
	}
	if effects[len(effects)-1] != changed {
		t.Errorf("created: %v", effects)
	}
	_, effects = answerTo(t, m, request(messages.DELETE, "/4000/1"))
	if effects[len(effects)-1] != changed || !slices.Equal(s.Instances(), []uint16{0, 2, 3}) {
		t.Errorf("deleted: %v, %v", s.Instances(), effects)
	}
	if reply, effects := answerTo(t, m, withBody(request(messages.POST, "/4000"), tlvF, "\x03\x02\xc1\x00x")); slices.Contains(effects, core.Effect(changed)) {
		t.Errorf("%v, and yet %v", reply.Code, effects)
	}
}

// What an object does not implement is not allowed.
func TestObjectThatIsOnlyRead(t *testing.T) {
	m := withObjects(struct{ object.Object }{newShelf(shelfID, 0)})
	for _, in := range []messages.Inbound{
		withBody(request(messages.PUT, "/4000/0"), tlvF, "\xc1\x00x"),
		withBody(request(messages.POST, "/4000/0"), tlvF, "\xc1\x00x"),
		withBody(request(messages.PUT, "/4000/0/0"), text, "x"),
		withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x"),
		request(messages.POST, "/4000/0/3"),
		request(messages.DELETE, "/4000/0"),
		request(messages.DELETE, "/4000/0/2/0"),
	} {
		if reply, _ := answerTo(t, m, in); reply.Code != messages.MethodNotAllowed {
			t.Errorf("%v %v: %v", in.Code, in.Path, reply.Code)
		}
	}
	if reply, _ := answerTo(t, m, accepting("/4000/0/0", text)); string(reply.Payload) != "top" {
		t.Errorf("%v %s", reply.Code, reply.Payload)
	}
}

// An application's Device object takes the place of the client's, and cannot be deleted.
func TestDeviceOfTheApplication(t *testing.T) {
	device := newShelf(3, 0)
	def := shelfDef(3)
	def.Multiple, def.Mandatory = false, true
	m := withObjects(defined{device, def})
	if reply, _ := answerTo(t, m, accepting("/3/0/0", text)); string(reply.Payload) != "top" {
		t.Errorf("%v %s", reply.Code, reply.Payload)
	}
	if reply, _ := answerTo(t, m, request(messages.DELETE, "/3/0")); reply.Code != messages.MethodNotAllowed {
		t.Errorf("delete: %v", reply.Code)
	}
	if reply, _ := answerTo(t, m, withBody(request(messages.POST, "/3"), tlvF, "\xc1\x00x")); reply.Code != messages.MethodNotAllowed {
		t.Errorf("create: %v", reply.Code)
	}
}

// defined is a shelf with another definition.
type defined struct {
	*shelf
	def lwm2m.ObjectDef
}

func (d defined) Definition() lwm2m.ObjectDef { return d.def }

// An object refuses with its own words where it chooses a code, and fails without any
// else; whatever it does, the next request is served.
func TestHandlersThatFail(t *testing.T) {
	for _, c := range []struct {
		name   string
		hook   func(context.Context, string) error
		code   messages.CoAPCode
		said   string
		logged string
	}{
		{"refuses", func(context.Context, string) error { return object.Refuse(lwm2m.CodeConflict, "in use") }, messages.Conflict, "in use", ""},
		{"refuses with success", func(context.Context, string) error { return object.Refuse(lwm2m.CodeChanged, "in use") }, messages.InternalServerError, "the object failed", "2.04 in use"},
		{"fails", func(context.Context, string) error { return errors.New("bus down") }, messages.InternalServerError, "the object failed", "bus down"},
		{"panics", func(context.Context, string) error { panic("oh") }, messages.InternalServerError, "the object failed", "panic: oh"},
		{"exits", func(context.Context, string) error { runtime.Goexit(); return nil }, messages.InternalServerError, "the object failed", "the handler has ended its goroutine"},
	} {
		for _, in := range []messages.Inbound{
			request(messages.GET, "/4000"),
			request(messages.GET, "/4000/0/1"),
			withBody(request(messages.PUT, "/4000/0/0"), text, "x"),
			withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x"),
			request(messages.POST, "/4000/0/3"),
			request(messages.DELETE, "/4000/0"),
		} {
			s := newShelf(shelfID, 0)
			s.hook = c.hook
			m := withObjects(s)
			reply, effects := answerTo(t, m, in)
			if reply.Code != c.code || string(reply.Payload) != c.said {
				t.Errorf("%s, %v %v: %v %s", c.name, in.Code, in.Path, reply.Code, reply.Payload)
			}
			if got := logged(effects); got != c.logged {
				t.Errorf("%s, %v %v: logged %q", c.name, in.Code, in.Path, got)
			}
			s.hook = nil
			if reply, _ := answerTo(t, m, in); reply.Code.Class() != 2 {
				t.Errorf("%s, %v %v, again: %v %s", c.name, in.Code, in.Path, reply.Code, reply.Payload)
			}
		}
	}
}

// logged is what the shell has to log, at most one fault.
func logged(effects []core.Effect) string {
	var all []string
	for _, e := range effects {
		if r, is := e.(Report); is {
			all = append(all, r.Fault.What)
		}
	}
	return strings.Join(all, "; ")
}

// Half of a change is not made: the object says no to the first part of it, or to the
// second.
func TestCommitThatFails(t *testing.T) {
	s := newShelf(shelfID, 0)
	s.hook = func(_ context.Context, what string) error {
		if what == "commit" {
			return errors.New("flash worn out")
		}
		return nil
	}
	m := withObjects(s)
	if reply, _ := answerTo(t, m, withBody(request(messages.PUT, "/4000/0/0"), text, "x")); reply.Code != messages.InternalServerError {
		t.Errorf("got %v", reply.Code)
	}
}

// What an object does on the actor's own goroutine may panic, too.
func TestPanicsOfTheMoment(t *testing.T) {
	for _, what := range []string{"instances", "snapshot", "resources"} {
		for _, in := range []messages.Inbound{
			request(messages.GET, "/4000"), request(messages.GET, "/4000/0"), request(messages.GET, "/4000/0/1"),
			accepting("/4000", links), withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x"),
		} {
			broken := &moody{memory: memory{newShelf(shelfID, 0)}}
			m := withObjects(broken)
			broken.mood = what
			effects := carried(m, m.Step(now, in))
			reply, found := answered(effects)
			if !found || reply.Code.Class() != 2 && (reply.Code != messages.InternalServerError || logged(effects) == "") {
				t.Errorf("%s, %v %v: %v %s, logged %q", what, in.Code, in.Path, reply.Code, reply.Payload, logged(effects))
			}
			if reply.Code.Class() == 2 && logged(effects) != "" {
				t.Errorf("%s, %v %v: %v in spite of %q", what, in.Code, in.Path, reply.Code, logged(effects))
			}
			if r, _ := ask(t, m, request(messages.GET, "/3/0/0")); r.Code != messages.Content {
				t.Errorf("another object: %v", r.Code)
			}
		}
	}
}

// moody panics where it is told to.
type moody struct {
	memory
	mood string
}

func (m *moody) Instances() []uint16 {
	if m.mood == "instances" {
		panic(m.mood)
	}
	return m.memory.Instances()
}

func (m *moody) Snapshot(instance uint16) (lwm2m.Instance, bool, bool) {
	if m.mood == "snapshot" {
		panic(m.mood)
	}
	return m.memory.Snapshot(instance)
}

func (m *moody) Resources(uint16) []uint16 {
	if m.mood == "resources" {
		panic(m.mood)
	}
	return []uint16{0, 1, 2, 3, 4}
}

// Values that do not fit the definition are a fault of the object; those of a kind that
// can be had exactly are made to fit.
func TestValuesAreMadeToFit(t *testing.T) {
	s := newShelf(shelfID, 0)
	s.tree.PutResource(shelfID, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Integer(3)})
	m := withObjects(s)
	if reply, _ := answerTo(t, m, accepting("/4000/0/1", tlvF)); string(reply.Payload) != "\xc4\x01\x40\x40\x00\x00" {
		t.Errorf("an integer for a float: %v %q", reply.Code, reply.Payload)
	}
	for _, r := range []lwm2m.Resource{
		{ID: 1, Value: lwm2m.String("heavy")},
		{ID: 1, Multiple: true, Instances: []lwm2m.ResourceInstance{{Value: lwm2m.Float(1)}}},
	} {
		s.tree.PutResource(shelfID, 0, r)
		if reply, effects := answerTo(t, m, request(messages.GET, "/4000/0")); reply.Code != messages.InternalServerError || logged(effects) == "" {
			t.Errorf("%v: %v %q", r, reply.Code, logged(effects))
		}
	}
	for path, r := range map[string]lwm2m.Resource{
		"/4000/0/0": {ID: 0, Value: lwm2m.String("caf\xe9")},
		"/4000/0/2": {ID: 2, Multiple: true, Instances: []lwm2m.ResourceInstance{{ID: lwm2m.MaxID, Value: lwm2m.Integer(1)}}},
	} {
		s.tree.PutResource(shelfID, 0, r)
		if reply, effects := answerTo(t, m, request(messages.GET, path)); reply.Code != messages.InternalServerError || logged(effects) == "" {
			t.Errorf("%s, which no format has: %v %q", path, reply.Code, logged(effects))
		}
	}
}

var slowRead = request(messages.GET, "/4000/0/1")

// at is a request with another ID, of another link and server where it is not 1.
func at(in messages.Inbound, id uint64, server uint16) messages.Inbound {
	in.ID, in.Peer, in.Epoch = id, messages.ManagementPeer(server), messages.Epoch(3+server)
	return in
}

func callIn(effects []core.Effect) (c Call, found bool) {
	for _, e := range effects {
		if call, is := e.(Call); is {
			return call, true
		}
	}
	return c, false
}

// jobTimer is the timer that ends the time of the handlers that effects call.
func jobTimer(effects []core.Effect) (timer core.Timer) {
	for _, e := range effects {
		if set, is := e.(core.SetTimer); is && set.Timer.Name == nameJob {
			timer = set.Timer
		}
	}
	return timer
}

// A handler that does not return in time is answered for, once, and what comes late
// changes nothing. It counts against its object until it returns.
func TestHandlersThatAreLate(t *testing.T) {
	m := withObjects(newShelf(shelfID, 0), newShelf(shelfID+1, 0))
	var calls []Call
	for id := range uint64(overduePerObject) {
		effects := m.Step(now, at(slowRead, id, 1))
		call, _ := callIn(effects)
		timer := jobTimer(effects)
		if effects[0] != (core.SetTimer{Timer: timer, After: DefaultDeadline}) || !call.Deadline.Equal(now.Add(DefaultDeadline)) {
			t.Fatalf("%v", effects)
		}
		calls = append(calls, call)
		reply, _ := answered(m.Step(now.Add(DefaultDeadline), core.Expired{Timer: timer}))
		if reply.Code != messages.InternalServerError || reply.ID != id {
			t.Errorf("late: %+v", reply)
		}
	}
	if reply, _ := answered(m.Step(now, at(slowRead, 9, 1))); reply.Code != messages.ServiceUnavailable || *reply.MaxAge != 10 {
		t.Errorf("one more: %+v", reply)
	}
	if _, found := callIn(m.Step(now, request(messages.GET, "/4001/0/1"))); !found {
		t.Error("the other object is not asked")
	}
	if effects := m.Step(now, Returned{ID: calls[0].ID, Reads: make([]Read, 1)}); len(effects) > 0 {
		t.Errorf("what comes late does %v", effects)
	}
	if _, found := callIn(m.Step(now, at(slowRead, 10, 1))); !found {
		t.Error("the object is not asked again")
	}
}

// Requests under way have bounds, of each server and of the client.
func TestRequestsUnderWayAreBounded(t *testing.T) {
	m := withObjects(newShelf(shelfID, 0))
	var last Call
	underWay := 0
	for server := uint16(1); server <= 10; server++ {
		for id := range uint64(jobsPerServer + 1) {
			effects := m.Step(now, at(slowRead, id, server))
			call, found := callIn(effects)
			if room := id < jobsPerServer && underWay < jobsPerClient; found != room {
				t.Fatalf("request %d of server %d, %d under way: %v", id, server, underWay, effects)
			}
			if !found {
				if reply, _ := answered(effects); reply.Code != messages.ServiceUnavailable || *reply.MaxAge != 1 {
					t.Fatalf("%+v", reply)
				}
				continue
			}
			underWay++
			last = call
		}
	}
	m.Step(now, Returned{ID: last.ID, Reads: make([]Read, 1)})
	if _, found := callIn(m.Step(now, at(slowRead, 99, 10))); !found {
		t.Error("no room although one is done")
	}
}

// What a Write has prepared is not carried out after the deadline, and the instance stays
// closed while nobody knows what becomes of it.
func TestLateWrite(t *testing.T) {
	s := newShelf(shelfID, 0)
	m := withObjects(s)
	put := withBody(request(messages.PUT, "/4000/0/0"), text, "x")
	effects := m.Step(now, put)
	call, _ := callIn(effects)
	m.Step(now, core.Expired{Timer: jobTimer(effects)})
	if reply, _ := answered(m.Step(now, at(put, 2, 1))); reply.Code != messages.ServiceUnavailable {
		t.Errorf("meanwhile: %+v", reply)
	}
	run(t.Context(), call, func(out Returned) {
		if effects := m.Step(now, out); len(effects) > 0 {
			t.Errorf("it is carried out: %v", effects)
		}
	})
	if reply, _ := answerTo(t, m, put); reply.Code != messages.Changed || s.value("/4000/0/0") != "x" {
		t.Errorf("the next one: %v", reply.Code)
	}
}

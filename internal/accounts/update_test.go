package accounts

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// provisioned is a client with a bootstrap account and two management accounts,
// /1/0 and /1/1.
func provisioned(t testing.TB) *lwm2m.Tree {
	tree := ToTree([]messages.Account{
		bootstrapAccount(t), pskAccount(t, messages.ManagementPeer(1)), nosecAccount(t, messages.ManagementPeer(2)),
	})
	put(tree, "/1/0/2", lwm2m.Integer(5))
	put(tree, "/1/0/13", lwm2m.Unsigned(1)) // servers cannot write it
	tree.PutResource(1, 0, versions(0, "1.0"))
	return tree
}

// versions is /1/x/25 with values from one number on.
func versions(first uint16, values ...string) lwm2m.Resource {
	r := lwm2m.Resource{ID: objects.ServerSupportedServerVersions, Multiple: true}
	for i, v := range values {
		r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: first + uint16(i), Value: lwm2m.String(v)})
	}
	return r
}

func terms() Terms { return Terms{Registry: objects.Core()} }

// payload is the content of some resources of /1/0.
func payload(resources ...lwm2m.Resource) lwm2m.Payload {
	tree := lwm2m.NewTree()
	tree.PutInstance(1, lwm2m.Instance{Resources: resources})
	p, _ := tree.Payload(mustPath("/1/0"))
	return p
}

func single(id uint16, v lwm2m.Value) lwm2m.Resource { return lwm2m.Resource{ID: id, Value: v} }

// mandatory are the resources that a Write of a whole instance must have.
func mandatory(lifetime int64) []lwm2m.Resource {
	return []lwm2m.Resource{single(1, lwm2m.Integer(lifetime)), single(6, lwm2m.Boolean(false)), single(7, lwm2m.String("U"))}
}

// One line per rule of LwM2M Core section 6.3.3: what /1/0 is afterwards.
func TestUpdate(t *testing.T) {
	const path = "/1/0"
	ids := func(more ...uint16) []uint16 { return append([]uint16{0, 1}, more...) }
	for name, c := range map[string]struct {
		path    string
		replace bool
		payload lwm2m.Payload
		has     []uint16          // the resources
		values  map[string]string // some of them, as text
	}{
		"a partial update leaves the rest": {path, false, payload(single(1, lwm2m.Integer(60))), ids(2, 6, 7, 13, 25),
			map[string]string{"/1/0/1": "60", "/1/0/2": "5"}},
		"and adds what is not there": {path, false, payload(single(3, lwm2m.Integer(9))), ids(2, 3, 6, 7, 13, 25), nil},
		"and values to a list":       {path, false, payload(versions(1, "1.1")), ids(2, 6, 7, 13, 25), map[string]string{"/1/0/25/0": "1.0", "/1/0/25/1": "1.1"}},
		"or in place of one":         {path, false, payload(versions(0, "1.1")), ids(2, 6, 7, 13, 25), map[string]string{"/1/0/25/0": "1.1"}},
		"of nothing":                 {path, false, payload(), ids(2, 6, 7, 13, 25), nil},
		"a replacement takes what it leaves out, but for what servers cannot write": {path, true, payload(mandatory(60)...), ids(6, 7, 13),
			map[string]string{"/1/0/0": "1", "/1/0/1": "60", "/1/0/13": "1"}},
		"written back as it was read": {path, true, payload(append(mandatory(60), single(0, lwm2m.Integer(1)), single(13, lwm2m.Unsigned(1)))...), ids(6, 7, 13), nil},
		"with something unknown":      {path, true, payload(append(mandatory(60), single(4711, lwm2m.Integer(1)))...), ids(6, 7, 13), nil},
		"a list is replaced":          {"/1/0/25", true, payload(versions(1, "1.1")), ids(2, 6, 7, 13, 25), map[string]string{"/1/0/25/1": "1.1"}},
		"one value of it":             {"/1/0/25/1", true, payload(versions(1, "1.1")), ids(2, 6, 7, 13, 25), map[string]string{"/1/0/25/0": "1.0", "/1/0/25/1": "1.1"}},
		"one resource":                {"/1/0/1", true, payload(single(1, lwm2m.Integer(0))), ids(2, 6, 7, 13, 25), map[string]string{"/1/0/1": "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			base := provisioned(t)
			tx := Begin(base, terms())
			if err := tx.Update(mustPath(c.path), c.payload, c.replace); err != nil {
				t.Fatal(err)
			}
			i, _ := tx.Tree().Instance(1, 0)
			var has []uint16
			for _, r := range i.Resources {
				has = append(has, r.ID)
			}
			if !slices.Equal(has, c.has) {
				t.Errorf("it has %v, want %v", has, c.has)
			}
			for at, want := range c.values {
				if v, _ := tx.Tree().Value(mustPath(at)); v.String() != want {
					t.Errorf("%s is %v, want %s", at, v, want)
				}
			}
			if r, _ := tx.Tree().Resource(mustPath("/1/0/25")); c.path == "/1/0/25" && len(r.Instances) != 1 {
				t.Errorf("the list has %d values", len(r.Instances))
			}
			if !base.Equal(provisioned(t)) {
				t.Error("what is in use has changed")
			}
		})
	}
}

// What is refused is refused whole.
func TestUpdateRefused(t *testing.T) {
	for name, c := range map[string]struct {
		path    string
		replace bool
		payload lwm2m.Payload
		want    any // the type of the error, as a pointer to it
	}{
		"a replacement without a mandatory resource": {"/1/0", true, payload(mandatory(60)[:2]...), new(Faults)},
		"a replacement with nothing":                 {"/1/0", true, payload(), new(Faults)},
		"another short server ID":                    {"/1/0", false, payload(single(0, lwm2m.Integer(2))), new(*RefusedError)},
		"a priority that is another one":             {"/1/0", true, payload(append(mandatory(60), single(13, lwm2m.Unsigned(2)))...), new(*RefusedError)},
		"the time of a bootstrap that never was":     {"/1/0", false, payload(single(12, lwm2m.Integer(1))), new(*RefusedError)},
		"an executable":                              {"/1/0", false, payload(single(8, lwm2m.Integer(1))), new(*RefusedError)},
		"out of range":                               {"/1/0", false, payload(single(2, lwm2m.Integer(1)), single(1, lwm2m.Integer(-1))), new(*lwm2m.RangeError)},
		"a lifetime that no Register tells":          {"/1/0/1", true, payload(single(1, lwm2m.Integer(1<<32))), new(*lwm2m.RangeError)},
		"another type":                               {"/1/0/1", true, payload(single(1, lwm2m.String("60"))), new(*lwm2m.RangeError)},
		"another short server ID, out of range":      {"/1/0", false, payload(single(0, lwm2m.Integer(-2)), single(1, lwm2m.Integer(-1))), new(*RefusedError)},
		"queue mode over SMS":                        {"/1/0/7", true, payload(single(7, lwm2m.String("SQ"))), new(*RefusedError)},
		"no binding":                                 {"/1/0/7", true, payload(single(7, lwm2m.String(""))), new(*RefusedError)},
		"another transport":                          {"/1/0/22", true, payload(single(22, lwm2m.String("T"))), new(*RefusedError)},
		"a list that is a single value":              {"/1/0", false, payload(single(25, lwm2m.String("1.1"))), new(*RefusedError)},
		"no value":                                   {"/1/0/1", true, payload(), new(*RefusedError)},
		"too much":                                   {"/1/0/25", true, payload(versions(0, string(make([]byte, MaxRecord)))), new(*LimitError)},
	} {
		t.Run(name, func(t *testing.T) {
			tx := Begin(provisioned(t), terms())
			err := tx.Update(mustPath(c.path), c.payload, c.replace)
			if err == nil || !errors.As(err, c.want) {
				t.Fatalf("%T %v", err, err)
			}
			if !tx.Tree().Equal(provisioned(t)) {
				t.Error("half of it was carried out")
			}
		})
	}
}

// A server may ask for queue mode, and end it.
func TestUpdateOfTheBinding(t *testing.T) {
	tx := Begin(provisioned(t), terms())
	for binding, queue := range map[string]bool{"UQ": true, "U": false} {
		if err := tx.Update(mustPath("/1/0/7"), payload(single(7, lwm2m.String(binding))), true); err != nil {
			t.Fatal(err)
		}
		all, _ := FromTree(tx.Tree())
		for _, a := range all {
			if a.Peer.Kind == messages.PeerManagement && a.ServerInstance == 0 && a.Queue != queue {
				t.Errorf("%s: queue mode is %v", binding, a.Queue)
			}
		}
	}
}

// A binding that a bootstrap has written stays, and may be written back.
func TestUpdateKeepsABindingOfABootstrap(t *testing.T) {
	tree := provisioned(t)
	put(tree, "/1/0/7", lwm2m.String("UQS"))
	tx := Begin(tree, terms())
	if err := tx.Update(mustPath("/1/0"), payload(single(1, lwm2m.Integer(60)), single(7, lwm2m.String("UQS"))), false); err != nil {
		t.Error(err)
	}
	if err := tx.Update(mustPath("/1/0/7"), payload(single(7, lwm2m.String("U"))), true); err != nil {
		t.Error(err)
	}
}

// An account that cannot be used is no reason to refuse a Write to another.
func TestUpdateBesideAnUnusableAccount(t *testing.T) {
	tree := provisioned(t)
	drop(tree, "/0/2/0")
	if err := Begin(tree, terms()).Update(mustPath("/1/0/1"), payload(single(1, lwm2m.Integer(60))), true); err != nil {
		t.Error(err)
	}
}

// What a larger limit has allowed can be changed under a smaller one, and not grow.
func TestUpdateOfWhatIsAboveTheLimit(t *testing.T) {
	tree := provisioned(t)
	small := Terms{Registry: objects.Core(), Limits: Limits{Bytes: 100}}
	if err := Begin(tree, small).Update(mustPath("/1/0/2"), payload(single(2, lwm2m.Integer(6))), true); err != nil {
		t.Error(err)
	}
	var limit *LimitError
	if err := Begin(tree, small).Update(mustPath("/1/0/3"), payload(single(3, lwm2m.Integer(6))), true); !errors.As(err, &limit) {
		t.Errorf("%v", err)
	}
}

// Whatever a server writes, its account stays usable and the rest as it was, and
// the result can be stored and read.
func TestAnyUpdate(t *testing.T) {
	base := provisioned(t)
	rapid.Check(t, func(t *rapid.T) {
		tx := Begin(base, terms())
		for range rapid.IntRange(1, 5).Draw(t, "writes") {
			resources := rapid.SliceOfNDistinct(anyServerResource(), 0, 5, func(r lwm2m.Resource) uint16 { return r.ID }).Draw(t, "resources")
			if rapid.Bool().Draw(t, "whole") {
				resources = append(mandatory(60), resources...)
			}
			_ = tx.Update(mustPath("/1/0"), payload(resources...), rapid.Bool().Draw(t, "replace"))
		}
		tree := tx.Tree()
		if err := Check(tree); err != nil {
			t.Fatal(err)
		}
		if _, err := EncodeWithin(tree, Limits{}); err != nil {
			t.Fatal(err)
		}
		was, _ := base.Value(mustPath("/1/0/0"))
		if is, _ := tree.Value(mustPath("/1/0/0")); is != was {
			t.Fatal("the short server ID has changed")
		}
		tree.DeleteInstance(1, 0)
		rest := base.Clone()
		rest.DeleteInstance(1, 0)
		if !tree.Equal(rest) {
			t.Fatal("something else has changed")
		}
	})
}

func anyServerResource() *rapid.Generator[lwm2m.Resource] {
	return rapid.Custom(func(t *rapid.T) lwm2m.Resource {
		id := rapid.Uint16Range(0, 28).Draw(t, "resource")
		value := rapid.SampledFrom([]lwm2m.Value{
			lwm2m.Integer(0), lwm2m.Integer(-1), lwm2m.Integer(1 << 62), lwm2m.Unsigned(0), lwm2m.Unsigned(1<<64 - 1), lwm2m.String("U"),
			lwm2m.String(""), lwm2m.String("UQ"), lwm2m.Boolean(true), lwm2m.Opaque([]byte{1}), lwm2m.ObjectLink(10, 0),
		}).Draw(t, "value")
		if rapid.Bool().Draw(t, "multiple") {
			return lwm2m.Resource{ID: id, Multiple: true, Instances: []lwm2m.ResourceInstance{{ID: 3, Value: value}}}
		}
		return single(id, value)
	})
}

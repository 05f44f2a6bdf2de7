package access

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// entry is an instance of the ACL.
type entry struct {
	ssid  uint16
	value int64
}

// instance makes an instance of object 2.
func instance(inst uint16, object, about, owner int64, acl ...entry) lwm2m.Instance {
	list := lwm2m.Resource{ID: objects.AccessControlACL, Multiple: true}
	for _, e := range acl {
		list.Instances = append(list.Instances, lwm2m.ResourceInstance{ID: e.ssid, Value: lwm2m.Integer(e.value)})
	}
	return lwm2m.Instance{ID: inst, Resources: []lwm2m.Resource{
		{ID: objects.AccessControlObjectID, Value: lwm2m.Integer(object)},
		{ID: objects.AccessControlObjectInstanceID, Value: lwm2m.Integer(about)},
		{ID: objects.AccessControlOwner, Value: lwm2m.Integer(owner)},
		list,
	}}
}

// device has the servers 1 and 2 as /1/0 and /1/1, and some instances of object 2.
func device(controls ...lwm2m.Instance) *lwm2m.Tree {
	tree := lwm2m.NewTree()
	for inst := range uint16(2) {
		tree.PutResource(objects.Server, inst, lwm2m.Resource{ID: objects.ServerShortServerID, Value: lwm2m.Integer(int64(inst) + 1)})
	}
	for _, c := range controls {
		tree.PutInstance(objects.AccessControl, c)
	}
	return tree
}

// One line per rule of section 7.3 of LwM2M 1.0, and of those that are our own.
func TestRules(t *testing.T) {
	const sensor = 3303
	bootstrapOnly := int64(objects.OwnerBootstrap)
	for name, c := range map[string]struct {
		tree    *lwm2m.Tree
		servers int
		ssid    uint16
		path    string
		want    Rights
	}{
		"7.3: a single server has every right":           {device(), 1, 1, "/3303/0", All},
		"7.3: whatever object 2 says":                    {device(instance(0, sensor, 0, 2)), 1, 1, "/3303/0", All},
		"7.3.1.1: the owner without an entry has all":    {device(instance(0, sensor, 0, 1)), 2, 1, "/3303/0", All},
		"7.3.1.1: also with an entry for everyone":       {device(instance(0, sensor, 0, 1, entry{0, 1})), 2, 1, "/3303/0", All},
		"7.3.2.1: the owner with an entry has that":      {device(instance(0, sensor, 0, 1, entry{1, 5})), 2, 1, "/3303/0", Read | Execute},
		"7.3.2.1: a server has what its entry says":      {device(instance(0, sensor, 0, 1, entry{2, 3})), 2, 2, "/3303/0", Read | Write},
		"7.3.2.1: which goes before that for everyone":   {device(instance(0, sensor, 0, 1, entry{0, 31}, entry{2, 0})), 2, 2, "/3303/0", None},
		"7.3.2.1: without, what is for everyone":         {device(instance(0, sensor, 0, 1, entry{0, 9})), 2, 2, "/3303/0", Read | Delete},
		"7.3.2.1: without both, nothing":                 {device(instance(0, sensor, 0, 1, entry{3, 31})), 2, 2, "/3303/0", None},
		"7.3.2.1: nor where no instance is about it":     {device(instance(0, sensor, 1, 1)), 2, 1, "/3303/0", None},
		"7.3.2.1: nor where that is another object":      {device(instance(0, 3304, 0, 1)), 2, 1, "/3303/0", None},
		"E.3: 65535 owns nothing":                        {device(instance(0, sensor, 0, bootstrapOnly)), 2, objects.OwnerBootstrap, "/3303/0", None},
		"E.3: but the entries of its instance count":     {device(instance(0, sensor, 0, bootstrapOnly, entry{2, 1})), 2, 2, "/3303/0", Read},
		"E.3: reserved bits are ignored":                 {device(instance(0, sensor, 0, 1, entry{2, 0xffe1})), 2, 2, "/3303/0", Read},
		"no server is the number 0":                      {device(instance(0, sensor, 0, 0)), 2, 0, "/3303/0", None},
		"of two about one thing the lower counts":        {device(instance(4, sensor, 0, 1), instance(3, sensor, 0, 2)), 2, 1, "/3303/0", None},
		"nothing is divided without object 2":            {device(), 2, 2, "/3303/0", All},
		"7.3.2: the keys are never for servers":          {device(instance(0, 0, 0, 1)), 1, 1, "/0/0", None},
		"7.3.2: neither are those of OSCORE":             {device(instance(0, 21, 0, 1)), 2, 1, "/21/0", None},
		"a server keeps its own instance":                {device(instance(0, 1, 0, 2, entry{1, 0})), 2, 1, "/1/0", Read | Write | Execute},
		"and may be granted more":                        {device(instance(0, 1, 0, 2, entry{1, 8})), 2, 1, "/1/0", Read | Write | Execute | Delete},
		"another's is closed without object 2":           {device(), 2, 1, "/1/1", None},
		"and where it says nothing":                      {device(instance(0, sensor, 0, 1)), 2, 1, "/1/1", None},
		"but can be granted":                             {device(instance(0, 1, 1, 2, entry{0, 1})), 2, 1, "/1/1", Read},
		"not to a single server, whose is not another's": {device(instance(0, 1, 1, 2, entry{0, 1})), 1, 1, "/1/1", None},
		"7.3.1.2: every server may read the rules":       {device(instance(0, sensor, 0, 1)), 2, 2, "/2/0", Read},
		"7.3.1.2: the owner alone may change them":       {device(instance(0, sensor, 0, 1, entry{1, 0})), 2, 1, "/2/0", Read | Write},
		"7.3.1.2: also where it is the single server":    {device(instance(0, sensor, 0, 2)), 1, 1, "/2/0", Read},
		"7.3.1.2: those of a bootstrap nobody":           {device(instance(0, sensor, 0, bootstrapOnly)), 2, objects.OwnerBootstrap, "/2/0", Read},
		"7.3.1.2: an ACL for object 2 itself is void":    {device(instance(0, 2, 0, 1, entry{2, 31})), 2, 2, "/2/0", Read},
	} {
		p, err := lwm2m.ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := Of(c.tree, c.servers, c.ssid, p.Object(), p.Instance()); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Section 7.3.2.2: the right to create is written for the instance 65535.
func TestMayCreate(t *testing.T) {
	const sensor, each = 3303, int64(objects.AnyInstance)
	for name, c := range map[string]struct {
		tree    *lwm2m.Tree
		servers int
		ssid    uint16
		object  uint16
		want    bool
	}{
		"a single server may":                  {device(), 1, 1, sensor, true},
		"so may all without object 2":          {device(), 2, 2, sensor, true},
		"one that has the right":               {device(instance(0, sensor, each, objects.OwnerBootstrap, entry{2, 16})), 2, 2, sensor, true},
		"everyone who has":                     {device(instance(0, sensor, each, objects.OwnerBootstrap, entry{0, 16})), 2, 2, sensor, true},
		"the owner of that":                    {device(instance(0, sensor, each, 2)), 2, 2, sensor, true},
		"another right is none":                {device(instance(0, sensor, each, objects.OwnerBootstrap, entry{2, 15})), 2, 2, sensor, false},
		"nor is that of another":               {device(instance(0, sensor, each, objects.OwnerBootstrap, entry{1, 16})), 2, 2, sensor, false},
		"nor one for another object":           {device(instance(0, 3304, each, objects.OwnerBootstrap, entry{2, 16})), 2, 2, sensor, false},
		"nor one to an instance that is there": {device(instance(0, sensor, 0, 2, entry{2, 31})), 2, 2, sensor, false},
		"accounts are for bootstraps":          {device(instance(0, 1, each, 1)), 1, 1, objects.Server, false},
		"so are keys":                          {device(), 1, 1, objects.Security, false},
		"those of OSCORE":                      {device(), 1, 1, objects.OSCORE, false},
		"and object 2":                         {device(instance(0, 2, each, 1, entry{1, 31})), 2, 1, objects.AccessControl, false},
	} {
		if got := MayCreate(c.tree, c.servers, c.ssid, c.object); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What a bootstrap wrote may be incomplete, or of another type: that grants nothing,
// and does no harm to the rest.
func TestWhatCannotBeReadGrantsNothing(t *testing.T) {
	whole := instance(7, 3303, 0, 1, entry{2, 1})
	for _, broken := range []lwm2m.Resource{
		{ID: objects.AccessControlObjectID, Value: lwm2m.Integer(-1)},
		{ID: objects.AccessControlObjectID, Value: lwm2m.Integer(65535)},
		{ID: objects.AccessControlObjectID, Value: lwm2m.Integer(65536 + 3304)},
		{ID: objects.AccessControlObjectID, Value: lwm2m.String("3304")},
		{ID: objects.AccessControlObjectInstanceID, Value: lwm2m.Unsigned(0)},
		{ID: objects.AccessControlOwner, Value: lwm2m.Integer(65536 + 1)},
		{ID: objects.AccessControlOwner, Multiple: true},
	} {
		tree := device(whole, instance(3, 3304, 0, 1, entry{2, 31}))
		tree.PutResource(objects.AccessControl, 3, broken)
		if got := Of(tree, 2, 1, 3304, 0); got != None {
			t.Errorf("%v: %v", broken, got)
		}
		if got := Of(tree, 2, 2, 3303, 0); got != Read {
			t.Errorf("%v: %v of the other instance", broken, got)
		}
	}
	tree := device(whole)
	tree.PutResource(objects.AccessControl, 7, lwm2m.Resource{
		ID: objects.AccessControlACL, Multiple: true, Instances: []lwm2m.ResourceInstance{{ID: 2, Value: lwm2m.Opaque([]byte{31})}},
	})
	if got := Of(tree, 2, 2, 3303, 0); got != None {
		t.Errorf("%v by an ACL that is no number", got)
	}
}

// naive reads section 7.3.2.1 of LwM2M 1.0 sentence by sentence.
func naive(tree *lwm2m.Tree, servers int, ssid, object, inst uint16) Rights {
	if servers == 1 {
		return All
	}
	for _, control := range tree.Instances(objects.AccessControl) {
		value := func(resource ...uint16) (lwm2m.Value, bool) {
			return tree.Value(lwm2m.PathOf(append([]uint16{objects.AccessControl, control}, resource...)...))
		}
		about, _ := value(objects.AccessControlObjectID)
		which, _ := value(objects.AccessControlObjectInstanceID)
		if about != lwm2m.Integer(int64(object)) || which != lwm2m.Integer(int64(inst)) {
			continue
		}
		if own, found := value(objects.AccessControlACL, ssid); found {
			return Rights(own.Int() % 32)
		}
		if owner, _ := value(objects.AccessControlOwner); owner == lwm2m.Integer(int64(ssid)) {
			return All
		}
		everyone, _ := value(objects.AccessControlACL, 0)
		return Rights(everyone.Int() % 32)
	}
	return None
}

// governed looks for an instance of object 2 that is about something.
func governed(tree *lwm2m.Tree, object, inst uint16) bool {
	return slices.ContainsFunc(tree.Instances(objects.AccessControl), func(control uint16) bool {
		about, _ := tree.Value(lwm2m.PathOf(objects.AccessControl, control, objects.AccessControlObjectID))
		which, _ := tree.Value(lwm2m.PathOf(objects.AccessControl, control, objects.AccessControlObjectInstanceID))
		return about == lwm2m.Integer(int64(object)) && which == lwm2m.Integer(int64(inst))
	})
}

func TestRightsAreThoseOfTheSpecification(t *testing.T) {
	small := rapid.Uint16Range(3, 5)
	about := rapid.SampledFrom([]uint16{0, 1, 2, 65535})
	ssids := rapid.Uint16Range(1, 4)
	rapid.Check(t, func(r *rapid.T) {
		var controls []lwm2m.Instance
		for inst := range rapid.Uint16Range(1, 6).Draw(r, "controls") {
			var acl []entry
			for _, ssid := range rapid.SliceOfNDistinct(rapid.Uint16Range(0, 4), 0, 5, rapid.ID[uint16]).Draw(r, "servers") {
				acl = append(acl, entry{ssid, rapid.Int64Range(0, 65535).Draw(r, "rights")})
			}
			owner := rapid.SampledFrom([]int64{1, 2, 3, 4, 65535}).Draw(r, "owner")
			controls = append(controls, instance(inst, int64(small.Draw(r, "object")), int64(about.Draw(r, "instance")), owner, acl...))
		}
		tree := device(controls...)
		table := New(tree, 2)
		for range 20 {
			servers, ssid := rapid.IntRange(1, 3).Draw(r, "accounts"), ssids.Draw(r, "ssid")
			object, inst := small.Draw(r, "object"), about.Draw(r, "instance")
			want := naive(tree, servers, ssid, object, inst)
			if got := Of(tree, servers, ssid, object, inst); got != want {
				r.Fatalf("server %d of %d, /%d/%d: %v, want %v", ssid, servers, object, inst, got, want)
			}
			if got := MayCreate(tree, servers, ssid, object); got != naive(tree, servers, ssid, object, 65535).Has(Create) {
				r.Fatalf("server %d of %d may create /%d: %v", ssid, servers, object, got)
			}
			if table.Governs(object, inst) != governed(tree, object, inst) {
				r.Fatalf("governs /%d/%d: %v", object, inst, table.Governs(object, inst))
			}
			if servers > 1 && table.Of(ssid, object, inst) != want {
				r.Fatal("a table says something else")
			}
		}
	})
}

func TestRightsPrintTheirLetters(t *testing.T) {
	for rights, want := range map[Rights]string{None: "-", Read: "R", All: "RWEDC", Write | Delete: "WD", Rights(32): "-"} {
		if got := rights.String(); got != want {
			t.Errorf("%d: %q", rights, got)
		}
	}
	if !All.Has(Read|Create) || Read.Has(Read|Write) {
		t.Error("Has")
	}
}

// A single server is the common case, and costs nothing.
func TestASingleServerCostsNothing(t *testing.T) {
	table := New(device(), 1)
	if n := testing.AllocsPerRun(100, func() { _ = table.Of(1, 3, 0) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

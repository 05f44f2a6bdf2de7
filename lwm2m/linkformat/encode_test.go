package linkformat

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

func TestEncodeRegister(t *testing.T) {
	device := []ObjectLink{{ID: 1, Instances: []uint16{0}}, {ID: 3, Instances: []uint16{0}}}
	for _, tc := range []struct {
		name string
		in   Registration
		want string
	}{
		{"plain", Registration{LwM2M: "1.1", Objects: device}, `</1/0>,</3/0>`},
		{"nothing", Registration{LwM2M: "1.1"}, ``},
		{"1.0 formats", Registration{LwM2M: "1.0", Formats: []uint16{11543}, Objects: append(device, ObjectLink{ID: 5})},
			`</>;rt="oma.lwm2m";ct=11543,</1/0>,</3/0>,</5>`},
		{"1.1 formats", Registration{LwM2M: "1.1", Formats: []uint16{60, 110, 112, 11542}, Objects: device},
			`</>;ct="60 110 112 11542",</1/0>,</3/0>`},
		{"1.1 one format", Registration{LwM2M: "1.1", Formats: []uint16{112}, Objects: device}, `</>;ct=112,</1/0>,</3/0>`},
		{"1.0 version", Registration{LwM2M: "1.0", Objects: []ObjectLink{{ID: 3303, Version: "1.1", Instances: []uint16{0}}}},
			`</3303>;ver="1.1",</3303/0>`},
		{"1.1 version", Registration{LwM2M: "1.1", Objects: []ObjectLink{{ID: 3303, Version: "1.1", Instances: []uint16{0, 7}}}},
			`</3303>;ver=1.1,</3303/0>,</3303/7>`},
		{"1.2 version, no instance", Registration{LwM2M: "1.2", Objects: []ObjectLink{{ID: 3303, Version: "2.0"}}}, `</3303>;ver=2.0`},
		{"credentials", Registration{LwM2M: "1.1", Objects: []ObjectLink{
			{ID: 0, Instances: []uint16{0, 1}}, {ID: 3, Instances: []uint16{0}}, {ID: 21, Instances: []uint16{0}}, {ID: 23}}},
			`</3/0>`},
	} {
		got, err := EncodeRegister(tc.in)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.name, got, err, tc.want)
		}
	}
}

func TestEncodeRegisterRefuses(t *testing.T) {
	for _, r := range []Registration{
		{Root: "/lwm2m"},
		{Objects: []ObjectLink{{ID: 9, Version: "1"}}},
		{Objects: []ObjectLink{{ID: 9, Version: `1.0";x="`}}},
		{Objects: []ObjectLink{{ID: 9, Version: "1."}}},
	} {
		_, err := EncodeRegister(r)
		var ee *lwm2m.EncodeError
		if !errors.As(err, &ee) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestObjectLinksAnnounceVersionsThatDoNotFollow(t *testing.T) {
	reg := lwm2m.NewRegistry(objects.DeviceDef(),
		lwm2m.ObjectDef{ID: 3303, Version: "1.1"}, lwm2m.ObjectDef{ID: 3304, Version: "1.0"}, lwm2m.ObjectDef{ID: 3305})
	tree := lwm2m.NewTree()
	for _, id := range []uint16{3, 3303, 3304, 3305, 9999} {
		tree.PutInstance(id, lwm2m.Instance{ID: 1})
	}
	want := []ObjectLink{
		{ID: 3, Instances: []uint16{1}}, {ID: 3303, Version: "1.1", Instances: []uint16{1}},
		{ID: 3304, Instances: []uint16{1}}, {ID: 3305, Instances: []uint16{1}}, {ID: 9999, Instances: []uint16{1}},
	}
	if diff := cmp.Diff(want, ObjectLinks(tree, reg)); diff != "" {
		t.Error(diff)
	}
}

// accounts is a bootstrap account, a management account, and objects beside them.
func accounts() *lwm2m.Tree {
	t := lwm2m.NewTree()
	security := func(id uint16, uri string, bootstrap bool, ssid int64) {
		t.PutInstance(objects.Security, lwm2m.Instance{ID: id, Resources: []lwm2m.Resource{
			{ID: objects.SecurityServerURI, Value: lwm2m.String(uri)},
			{ID: objects.SecurityBootstrapServer, Value: lwm2m.Boolean(bootstrap)},
			{ID: objects.SecuritySecretKey, Value: lwm2m.Opaque([]byte("SECRET"))},
			{ID: objects.SecurityShortServerID, Value: lwm2m.Integer(ssid)},
		}})
	}
	security(0, "coaps://bs.example", true, 0)
	security(1, "coaps://dm.example:5684", false, 101)
	t.PutInstance(objects.Server, lwm2m.Instance{ID: 0, Resources: []lwm2m.Resource{
		{ID: objects.ServerShortServerID, Value: lwm2m.Integer(101)},
	}})
	t.PutInstance(objects.Device, lwm2m.Instance{ID: 0})
	t.PutObject(5)
	return t
}

func TestEncodeBootstrapDiscover(t *testing.T) {
	for _, tc := range []struct {
		enabler string
		target  lwm2m.Path
		want    string
	}{
		{"1.0", lwm2m.Path{}, `lwm2m="1.0",</0>,</0/0>,</0/1>;ssid=101,</1>,</1/0>;ssid=101,</3>,</3/0>,</5>`},
		{"1.1", lwm2m.Path{}, `</>;lwm2m=1.1,</0/0>;uri="coaps://bs.example",` +
			`</0/1>;ssid=101;uri="coaps://dm.example:5684",</1/0>;ssid=101,</3/0>,</5>`},
		{"1.2", lwm2m.PathOf(1), `</>;lwm2m=1.2,</1/0>;ssid=101`},
		{"1.1", lwm2m.PathOf(5), `</>;lwm2m=1.1,</5>`},
		{"1.1", lwm2m.PathOf(77), `</>;lwm2m=1.1`},
		{"1.0", lwm2m.PathOf(1), `lwm2m="1.0",</1>,</1/0>;ssid=101`},
	} {
		got, err := EncodeBootstrapDiscover(tc.enabler, tc.target, accounts(), objects.Core())
		if err != nil || string(got) != tc.want {
			t.Errorf("%s %v: %v\n got %s\nwant %s", tc.enabler, tc.target, err, got, tc.want)
		}
	}
}

func TestEncodeBootstrapDiscoverOddValues(t *testing.T) {
	tree := lwm2m.NewTree()
	tree.PutInstance(objects.Security, lwm2m.Instance{ID: 0})
	tree.PutInstance(objects.Security, lwm2m.Instance{ID: 1, Resources: []lwm2m.Resource{
		{ID: objects.SecurityServerURI, Value: lwm2m.String(`coap://h/"a\b"`)},
		{ID: objects.SecurityShortServerID, Value: lwm2m.Integer(65535)},
	}})
	tree.PutInstance(3303, lwm2m.Instance{ID: 0})
	reg := lwm2m.NewRegistry(lwm2m.ObjectDef{ID: 3303, Version: "1.1"})
	got, err := EncodeBootstrapDiscover("1.1", lwm2m.Path{}, tree, reg)
	if want := `</>;lwm2m=1.1,</0/0>,</0/1>;uri="coap://h/\"a\\b\"",</3303>;ver=1.1,</3303/0>`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	links, err := Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	if uri, _ := links[2].Attribute("uri"); uri != `coap://h/"a\b"` {
		t.Errorf("the URI reads back as %s", uri)
	}
}

func TestEncodeBootstrapDiscoverRefuses(t *testing.T) {
	bad := lwm2m.NewRegistry(lwm2m.ObjectDef{ID: 3303, Version: "x"})
	tree := lwm2m.NewTree()
	tree.PutObject(3303)
	var ee *lwm2m.EncodeError
	if _, err := EncodeBootstrapDiscover("1.1", lwm2m.PathOf(3, 0), tree, nil); !errors.As(err, &ee) || ee.Reason != lwm2m.ReasonMismatch {
		t.Errorf("instance: %v", err)
	}
	if _, err := EncodeBootstrapDiscover("1.1", lwm2m.Path{}, tree, bad); !errors.As(err, &ee) || ee.Reason != lwm2m.ReasonValue {
		t.Errorf("version: %v", err)
	}
}

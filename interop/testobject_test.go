package interop

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// everything is the OMA's test object (3442): a resource of every type, alone and
// with several instances. What is not there is nil.
type everything struct {
	Reset     func()                                 `lwm2m:"0,E"`
	Exec      func(context.Context, lwm2m.Arguments) `lwm2m:"3,E"`
	Arguments map[uint16]string                      `lwm2m:"4,R"`

	String   *string          `lwm2m:"110,RW"`
	Integer  *int64           `lwm2m:"120,RW"`
	Unsigned *uint64          `lwm2m:"125,RW"`
	Float    *float64         `lwm2m:"130,RW"`
	Boolean  *bool            `lwm2m:"140,RW"`
	Opaque   []byte           `lwm2m:"150,RW"`
	Time     *time.Time       `lwm2m:"160,RW"`
	Link     *object.Link     `lwm2m:"170,RW"`
	CoreLink *object.CoreLink `lwm2m:"180,RW"`

	Strings   map[uint16]string          `lwm2m:"1110,RW"`
	Integers  map[uint16]int64           `lwm2m:"1120,RW"`
	Unsigneds map[uint16]uint64          `lwm2m:"1125,RW"`
	Floats    map[uint16]float64         `lwm2m:"1130,RW"`
	Booleans  map[uint16]bool            `lwm2m:"1140,RW"`
	Opaques   map[uint16][]byte          `lwm2m:"1150,RW"`
	Times     map[uint16]time.Time       `lwm2m:"1160,RW"`
	Links     map[uint16]object.Link     `lwm2m:"1170,RW"`
	CoreLinks map[uint16]object.CoreLink `lwm2m:"1180,RW"`
}

// fill gives the values that Leshan's client begins with.
func (e *everything) fill() {
	text, integer, unsigned, float := "initial value", int64(1024), uint64(1)<<63, 3.14159
	opaque := []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	at, link := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), object.Link{Object: 3}
	core := object.CoreLink("</3442>")
	e.String, e.Strings = new(text), map[uint16]string{0: text}
	e.Integer, e.Integers = new(integer), map[uint16]int64{0: integer}
	e.Unsigned, e.Unsigneds = new(unsigned), map[uint16]uint64{0: unsigned}
	e.Float, e.Floats = new(float), map[uint16]float64{0: float}
	e.Boolean, e.Booleans = new(true), map[uint16]bool{0: true}
	e.Opaque, e.Opaques = opaque, map[uint16][]byte{0: opaque}
	e.Time, e.Times = new(at), map[uint16]time.Time{0: at}
	e.Link, e.Links = new(link), map[uint16]object.Link{0: link}
	e.CoreLink, e.CoreLinks = new(core), map[uint16]object.CoreLink{0: core}
}

// testObject is served with one instance; servers may create more, and delete them.
type testObject struct {
	*object.Typed[everything]
	t     *testing.T
	first *object.Instance[everything]
}

func newTestObject(t *testing.T) *testObject {
	t.Helper()
	o := &testObject{t: t}
	def := lwm2m.ObjectDef{ID: 3442, Name: "LwM2M v1.1 Test Object", Multiple: true}
	create := func(context.Context, uint16) (everything, error) { return everything{}, nil }
	remove := func(context.Context, uint16, everything) error { return nil }
	var err error
	if o.Typed, err = object.Of(def, object.OnCreate(create), object.OnDelete(remove)); err != nil {
		t.Fatal(err)
	}
	first := everything{Reset: func() { o.update((*everything).fill) }, Exec: o.execute}
	if o.first, err = o.Add(0, first); err != nil {
		t.Fatal(err)
	}
	// After Add: what an instance is added with is what a replacement leaves.
	o.update((*everything).fill)
	return o
}

func (o *testObject) update(change func(*everything)) {
	if err := o.first.Update(change); err != nil {
		o.t.Error(err)
	}
}

// execute keeps the arguments.
func (o *testObject) execute(_ context.Context, args lwm2m.Arguments) {
	o.update(func(e *everything) {
		e.Arguments = make(map[uint16]string)
		for _, a := range args {
			e.Arguments[uint16(a.Digit)] = a.Value
		}
	})
}

// change finds a new value of a resource.
func (o *testObject) change(resource uint16, value any) {
	o.update(func(e *everything) {
		switch resource {
		case 110:
			e.String = new(value.(string))
		case 120:
			e.Integer = new(int64(value.(int)))
		case 130:
			e.Float = new(value.(float64))
		default:
			o.t.Errorf("no resource %d to change", resource)
		}
	})
}

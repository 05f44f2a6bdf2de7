package scenario

import (
	"context"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// partID is the object whose instances servers create and delete.
const partID = 26241

// part is one of them.
type part struct {
	Name string `lwm2m:"0,RW"`
}

func (s *stage) newParts() *object.Typed[part] {
	parts, err := object.Of(lwm2m.ObjectDef{ID: partID, Name: "Part", Version: "1.0", Multiple: true},
		object.OnCreate(func(context.Context, uint16) (part, error) { return part{}, nil }),
		object.OnDelete(func(context.Context, uint16, part) error { return nil }))
	if err != nil {
		s.t.Fatal(err)
	}
	return parts
}

// registry defines all that the client can serve, for who reads datagrams.
var registry = lwm2m.NewRegistry(objects.SecurityDef(), objects.ServerDef(), objects.AccessControlDef(), objects.DeviceDef(), sensorDef,
	lwm2m.ObjectDef{ID: partID, Name: "Part", Version: "1.0", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 0, Name: "Name", Kind: lwm2m.KindString, Operations: lwm2m.OpRead | lwm2m.OpWrite, Mandatory: true},
	}})

// create has the server make an instance of parts, and name it.
func (v *server) create(c *command) {
	path := c.path(c.word())
	content := c.encode(messages.FormatTLV, path.Prefix(1).String(), lwm2m.Node{Path: path.Child(0), Value: lwm2m.String(c.text("text", ""))})
	v.request(lwm2mtest.Request{Method: messages.POST, Path: path.Prefix(1).String(), Format: &content.Format, Payload: content.Payload})
}

// writeComposite has the server write the resources that the lines of input name.
func (v *server) writeComposite(c *command) {
	var nodes []lwm2m.Node
	for _, o := range c.operations() {
		nodes = append(nodes, lwm2m.Node{Path: o.path(o.verb), Value: o.value()})
	}
	content := c.encode(messages.FormatSenMLCBOR, "/", nodes...)
	v.request(lwm2mtest.Request{Method: messages.IPATCH, Path: "/", Format: &content.Format, Payload: content.Payload})
}

// value takes a value in one of its forms.
func (c *command) value() (v lwm2m.Value) {
	if v = lwm2m.String(c.text("text", "")); c.given("number") {
		v = lwm2m.Integer(int64(c.number("number", 0)))
	}
	c.spent()
	return v
}

func (c *command) path(text string) lwm2m.Path {
	path, err := lwm2m.ParsePath(text)
	if err != nil {
		c.fatalf("%v", err)
	}
	return path
}

func (c *command) encode(format lwm2m.Format, path string, nodes ...lwm2m.Node) lwm2mtest.Content {
	content, err := lwm2mtest.Encode(format, path, nodes...)
	if err != nil {
		c.fatalf("%v", err)
	}
	return content
}

// access is an instance of object 2 that the bootstrap server writes: who owns an object
// instance, and what the servers may do with it.
func access(o *command) lwm2mtest.BootstrapWrite {
	at := lwm2m.PathOf(objects.AccessControl, uint16(o.number("object2", 0)))
	instance := uint16(objects.AnyInstance)
	target := o.path(o.word())
	if target.Len() > 1 {
		instance = target.Instance()
	}
	nodes := []lwm2m.Node{
		{Path: at.Child(objects.AccessControlObjectID), Value: lwm2m.Integer(int64(target.Object()))},
		{Path: at.Child(objects.AccessControlObjectInstanceID), Value: lwm2m.Integer(int64(instance))},
	}
	for id := range uint16(4) {
		if server := strconv.Itoa(int(id)); o.given(server) {
			nodes = append(nodes, lwm2m.Node{Path: at.Child(objects.AccessControlACL).Child(id), Value: o.rights(server)})
		}
	}
	nodes = append(nodes, lwm2m.Node{Path: at.Child(objects.AccessControlOwner), Value: lwm2m.Integer(int64(o.number("owner", 1)))})
	o.spent()
	return lwm2mtest.BootstrapWrite{Path: at.String(), Nodes: nodes}
}

// rights takes what a server may do: letters of read, write, execute, delete and create.
func (c *command) rights(server string) lwm2m.Value {
	var bits int64
	for _, letter := range c.text(server, "") {
		bit := strings.IndexRune("RWEDC", letter)
		if bit < 0 {
			c.fatalf("there is no such right: %c", letter)
		}
		bits |= 1 << bit
	}
	return lwm2m.Integer(bits)
}

// sendValues is what an application does with Client.Send.
func (s *stage) sendValues(c *command) func(context.Context) error {
	client, to := s.running(c), c.number("to", 1)
	paths := c.words
	c.words = nil
	return func(ctx context.Context) error { return client.Send(ctx, uint16(to), paths...) }
}

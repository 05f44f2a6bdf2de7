package peer

import (
	"context"
	"encoding/json"
	"maps"
	"testing"
	"time"
)

// eventTimeout bounds the wait for what a device has to do by itself, on a
// machine that is busy with other tests.
const eventTimeout = 2 * time.Minute

// A Device is a client that is registered with a Leshan server, by its endpoint
// name, and what the server may ask of it. A path is "/3/0/0", a format one of
// Leshan's names: TLV, SENML_CBOR, SENML_JSON, JSON, TEXT, CBOR, OPAQUE; ""
// leaves it to the device, or to Leshan. Its methods end the test when there is
// no server any more.
type Device struct {
	server   *LeshanPeer
	endpoint string
}

// A Reply is what has become of an operation.
type Reply struct {
	// Failure says why the device has not answered: timeout, sleeping, reset,
	// invalid_request and the others of interop/leshan; Failed is the message.
	Failure string `json:"failure"`
	Failed  string `json:"error"`
	// Code is Leshan's spelling, CONTENT(205); Message the diagnostic text.
	Code    string `json:"code"`
	Message string `json:"message"`
	Format  string `json:"format"`
	Token   string `json:"token"`
	// Observe is the number in the Observe option, nil without one.
	Observe *int `json:"observe"`
	// Values stand by path: string, bool or float64, as interop/leshan says.
	Values map[string]any `json:"values"`
	// Links have their attributes by path, nil for one without a value.
	Links map[string]map[string]*string `json:"links"`
	// Location is where an instance was created.
	Location string `json:"location"`
}

// A Sample is what a device has sent at once, and of when it says that it is.
type Sample struct {
	Time   *time.Time     `json:"time"`
	Values map[string]any `json:"values"`
}

// A Notification is a Reply that comes by itself. It has Samples, and no Values,
// when the values have their times.
type Notification struct {
	Reply
	// Type is that of the message, CON or NON.
	Type    string   `json:"type"`
	Path    string   `json:"path"`
	Paths   []string `json:"paths"`
	Samples []Sample `json:"samples"`
}

// An Observation is one that the server keeps, of a path or of several.
type Observation struct {
	Token string   `json:"token"`
	Path  string   `json:"path"`
	Paths []string `json:"paths"`
}

// Device returns the device of that endpoint name, registered or not.
func (p *LeshanPeer) Device(endpoint string) Device { return Device{server: p, endpoint: endpoint} }

// pushTimeout is above the 10 min that a push takes at most.
const pushTimeout = 11 * time.Minute

// Push writes the content of a file to an opaque resource, in blocks when it is larger than
// one. No other operation of the server is carried out meanwhile; events come as ever. It must
// be called from the test's own goroutine; see [LeshanPeer.Call] for any other.
func (d Device) Push(path, file string) Reply {
	d.server.t.Helper()
	return askFor[Reply](d, pushTimeout, "push", Object{"path": path, "file": file})
}

// Do has the server carry out an operation of interop/leshan.
func (d Device) Do(op string, arguments Object) Reply {
	d.server.t.Helper()
	return ask[Reply](d, op, arguments)
}

// ask does what Do does, for a reply of any shape.
func ask[R any](d Device, op string, arguments Object) R {
	d.server.t.Helper()
	return askFor[R](d, replyTimeout, op, arguments)
}

// askFor does what ask does, and waits for so long.
func askFor[R any](d Device, timeout time.Duration, op string, arguments Object) R {
	d.server.t.Helper()
	command := Object{"op": op, "ep": d.endpoint}
	maps.Copy(command, arguments)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	reply, err := d.server.Call(ctx, command)
	if err != nil {
		d.server.t.Fatalf("peer: %v: %v", command, err)
	}
	return decodeObject[R](d.server.t, reply)
}

func decodeObject[R any](t testing.TB, fields Object) (result R) {
	t.Helper()
	raw, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(raw, &result)
	}
	if err != nil {
		t.Fatalf("peer: %v is no %T: %v", fields, result, err)
	}
	return result
}

func withFormat(format string, arguments Object) Object {
	if format != "" {
		arguments["format"] = format
	}
	return arguments
}

// Read reads an object, an instance, a resource or a resource instance.
func (d Device) Read(path, format string) Reply {
	d.server.t.Helper()
	return d.Do("read", withFormat(format, Object{"path": path}))
}

// Discover asks for the links below a path and their attributes.
func (d Device) Discover(path string) Reply {
	d.server.t.Helper()
	return d.Do("discover", Object{"path": path})
}

// Write replaces an instance, a resource or a resource instance. The value of an
// instance is an Object by resource, that of a multiple resource one by resource
// instance.
func (d Device) Write(path, format string, value any) Reply {
	d.server.t.Helper()
	return d.Do("write", withFormat(format, Object{"path": path, "value": value}))
}

// Update is a Write that leaves what it does not mention.
func (d Device) Update(path, format string, value Object) Reply {
	d.server.t.Helper()
	return d.Do("write", withFormat(format, Object{"path": path, "value": value, "mode": "UPDATE"}))
}

// Attributes sets notification attributes: "pmin=1&pmax=60"; a name alone unsets
// one.
func (d Device) Attributes(path, query string) Reply {
	d.server.t.Helper()
	return d.Do("attributes", Object{"path": path, "attributes": query})
}

// Execute executes a resource with arguments as they stand in the message, "0='a',3".
func (d Device) Execute(path, arguments string) Reply {
	d.server.t.Helper()
	if arguments == "" {
		return d.Do("execute", Object{"path": path})
	}
	return d.Do("execute", Object{"path": path, "args": arguments})
}

// Create makes instances of an object, by ID.
func (d Device) Create(object, format string, instances Object) Reply {
	d.server.t.Helper()
	return d.Do("create", withFormat(format, Object{"path": object, "instances": instances}))
}

// CreateAny makes an instance whose ID the device chooses, always in TLV.
func (d Device) CreateAny(object string, resources Object) Reply {
	d.server.t.Helper()
	return d.Do("create", Object{"path": object, "resources": resources})
}

// Delete deletes an instance.
func (d Device) Delete(path string) Reply {
	d.server.t.Helper()
	return d.Do("delete", Object{"path": path})
}

// ReadComposite reads several paths with one request.
func (d Device) ReadComposite(format string, paths ...string) Reply {
	d.server.t.Helper()
	return d.Do("read_composite", withFormat(format, Object{"paths": paths}))
}

// WriteComposite writes resources and resource instances of several objects, by path.
func (d Device) WriteComposite(format string, values Object) Reply {
	d.server.t.Helper()
	return d.Do("write_composite", withFormat(format, Object{"values": values}))
}

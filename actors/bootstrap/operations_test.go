package bootstrap

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// session returns the transaction of an open session, on the factory tree.
func session(t testing.TB, version string) *transaction {
	t.Helper()
	return opened(t, version, factoryTree()).session
}

func inbound(method messages.CoAPCode, path string) messages.Inbound {
	return messages.Inbound{Code: method, Path: strings.Split(strings.TrimPrefix(path, "/"), "/")}
}

func accepting(path string, f messages.Format) messages.Inbound {
	in := inbound(messages.GET, path)
	in.Accept = &f
	return in
}

func writing(path string, f messages.Format, body []byte) messages.Inbound {
	in := inbound(messages.PUT, path)
	in.ContentFormat, in.Payload = &f, body
	return in
}

func observing(path string) messages.Inbound {
	in := inbound(messages.GET, path)
	in.Observe = new(uint32(0))
	return in
}

const (
	text  = messages.FormatText
	tlvF  = messages.FormatTLV
	cborF = messages.FormatSenMLCBOR
	jsonF = messages.FormatSenMLJSON
	links = messages.FormatLinkFormat
)

// One line per rule of LwM2M Core sections 6.1.5 to 6.1.7.
func TestOperations(t *testing.T) {
	serverTLV := encodeBody(tlvF, mustPath("/1/0"), nodes(mustPath("/1/0"), bodies["server-1"]))
	wrappedTLV := encodeBody(tlvF, mustPath("/1"), nodes(mustPath("/1/0"), bodies["server-1"]))
	for _, c := range []struct {
		name string
		in   messages.Inbound
		want messages.CoAPCode
	}{
		{"root by an empty segment", inbound(messages.DELETE, "/"), messages.Deleted},
		{"root by no segment", messages.Inbound{Code: messages.DELETE}, messages.Deleted},
		{"path too deep", inbound(messages.DELETE, "/1/2/3/4/5"), messages.BadRequest},
		{"path not numeric", inbound(messages.GET, "/1/x"), messages.BadRequest},
		{"path reserved", inbound(messages.GET, "/65535"), messages.BadRequest},
		{"path with empty segment", inbound(messages.GET, "/1//0"), messages.BadRequest},
		{"path with dots", inbound(messages.DELETE, "/1/.."), messages.BadRequest},

		{"delete object 0", inbound(messages.DELETE, "/0"), messages.Deleted},
		{"delete management account", inbound(messages.DELETE, "/0/1"), messages.Deleted},
		{"delete bootstrap account", inbound(messages.DELETE, "/0/0"), messages.BadRequest},
		{"delete missing instance", inbound(messages.DELETE, "/1/9"), messages.Deleted},
		{"delete device object", inbound(messages.DELETE, "/3"), messages.Deleted},
		{"delete device", inbound(messages.DELETE, "/3/0"), messages.Deleted},
		{"delete unsupported object", inbound(messages.DELETE, "/4711"), messages.Deleted},
		{"delete resource", inbound(messages.DELETE, "/1/0/1"), messages.BadRequest},
		{"delete resource instance", inbound(messages.DELETE, "/1/0/24/0"), messages.BadRequest},
		{"delete bs", inbound(messages.DELETE, "/bs"), messages.BadRequest},

		{"get bs", inbound(messages.GET, "/bs"), messages.MethodNotAllowed},
		{"put bs", inbound(messages.PUT, "/bs"), messages.MethodNotAllowed},
		{"execute", inbound(messages.POST, "/1/0/8"), messages.MethodNotAllowed},
		{"create", inbound(messages.POST, "/1"), messages.MethodNotAllowed},
		{"post to root", inbound(messages.POST, "/"), messages.MethodNotAllowed},
		{"observe", observing("/1/0"), messages.MethodNotAllowed},
		{"fetch", inbound(messages.FETCH, "/"), messages.MethodNotAllowed},
		{"ipatch", inbound(messages.IPATCH, "/"), messages.MethodNotAllowed},
		{"unknown method", inbound(messages.CoAPCode(31), "/1"), messages.MethodNotAllowed},

		{"discover root", accepting("/", links), messages.Content},
		{"discover object", accepting("/1", links), messages.Content},
		{"discover device", accepting("/3", links), messages.Content},
		{"discover unknown object", accepting("/5", links), messages.NotFound},
		{"discover instance", accepting("/1/0", links), messages.MethodNotAllowed},

		{"read server object", inbound(messages.GET, "/1"), messages.Content},
		{"read server instance", inbound(messages.GET, "/1/0"), messages.Content},
		{"read as TLV", accepting("/1/0", tlvF), messages.Content},
		{"read as SenML CBOR", accepting("/1", cborF), messages.Content},
		{"read as SenML JSON", accepting("/1", jsonF), messages.Content},
		{"read as text", accepting("/1/0", text), messages.NotAcceptable},
		{"read missing instance", inbound(messages.GET, "/1/9"), messages.NotFound},
		{"read access control", inbound(messages.GET, "/2"), messages.NotFound},
		{"read access control instance", inbound(messages.GET, "/2/0"), messages.NotFound},
		{"read resource", inbound(messages.GET, "/1/0/1"), messages.MethodNotAllowed},
		{"read security object", inbound(messages.GET, "/0"), messages.MethodNotAllowed},
		{"read security instance", inbound(messages.GET, "/0/0"), messages.MethodNotAllowed},
		{"read key", inbound(messages.GET, "/0/0/5"), messages.MethodNotAllowed},
		{"read device", inbound(messages.GET, "/3/0"), messages.MethodNotAllowed},
		{"read root", inbound(messages.GET, "/"), messages.MethodNotAllowed},

		{"write bare instance", writing("/1/0", tlvF, serverTLV), messages.Changed},
		{"write wrapped instance", writing("/1/0", tlvF, wrappedTLV), messages.Changed},
		{"write object", writing("/1", tlvF, wrappedTLV), messages.Changed},
		{"write object, no instance", writing("/1", tlvF, nil), messages.Changed},
		{"write text", writing("/1/0/1", text, []byte("600")), messages.Changed},
		{"write opaque", writing("/0/1/5", messages.FormatOpaque, []byte("key")), messages.Changed},
		{"write base64", writing("/0/1/5", text, []byte("a2V5")), messages.Changed},
		{"write multiple resource", writing("/1/0/25", tlvF, []byte{0x86, 25, 0x41, 0, '1', 0x41, 1, '2'}), messages.Changed},
		{"write SenML JSON", writing("/1", jsonF, encodeBody(jsonF, mustPath("/1"), nodes(mustPath("/1/0"), bodies["server-1"]))), messages.Changed},
		{"write root in JSON", writing("/", jsonF, []byte("[]")), messages.MethodNotAllowed},
		{"write root", writing("/", cborF, []byte{0x80}), messages.MethodNotAllowed},
		{"write resource instance", writing("/1/0/25/0", text, []byte("1")), messages.MethodNotAllowed},
		{"write device", writing("/3/0/14", text, []byte("+01:00")), messages.MethodNotAllowed},
		{"write unknown object", writing("/4711/0", tlvF, nil), messages.NotFound},
		{"write unknown resource", writing("/1/0/999", text, []byte("1")), messages.NotFound},
		{"write executable", writing("/1/0/8", text, nil), messages.MethodNotAllowed},
		{"write without format", inbound(messages.PUT, "/1/0"), messages.UnsupportedFormat},
		{"write in LwM2M CBOR", writing("/1/0", lwm2m.FormatLwM2MCBOR, []byte{0xa0}), messages.UnsupportedFormat},
		{"write in JSON of LwM2M 1.0", writing("/1/0", messages.FormatJSON, []byte(`{"e":[]}`)), messages.Changed},
		{"write garbage in JSON of LwM2M 1.0", writing("/1/0", messages.FormatJSON, []byte(`{}`)), messages.BadRequest},
		{"write text to instance", writing("/1/0", text, []byte("1")), messages.UnsupportedFormat},
		{"write opaque to integer", writing("/1/0/1", messages.FormatOpaque, []byte{1}), messages.UnsupportedFormat},
		{"write text to multiple", writing("/1/0/25", text, []byte("1.1")), messages.UnsupportedFormat},
		{"write garbage TLV", writing("/1/0", tlvF, []byte{0xff}), messages.BadRequest},
		{"write garbage CBOR", writing("/1/0", cborF, []byte{0xff}), messages.BadRequest},
		{"write garbage JSON", writing("/1/0", jsonF, []byte("[")), messages.BadRequest},
		{"write a JSON value twice", writing("/1/0", jsonF, []byte(`[{"n":"/1/0/1","v":60,"v":61}]`)), messages.BadRequest},
		{"write JSON outside the target", writing("/1/0", jsonF, []byte(`[{"bn":"/1/0/../","n":"1/1","v":60}]`)), messages.BadRequest},
		{"write nothing to a resource in JSON", writing("/1/0/1", jsonF, []byte("[]")), messages.BadRequest},
		{"write garbage text", writing("/1/0/1", text, []byte("ten")), messages.BadRequest},
		{"write outside the target", writing("/1/0", cborF, encodeBody(cborF, mustPath("/1/1"), nodes(mustPath("/1/1"), bodies["server-1"]))), messages.BadRequest},
		{"write nothing to a resource", writing("/1/0/1", cborF, []byte{0x80}), messages.BadRequest},
		{"write SSID 0", writing("/1/0/0", text, []byte("0")), messages.BadRequest},
		{"write SSID 65535", writing("/0/1/10", text, []byte("65535")), messages.BadRequest},
		{"write mode 5", writing("/0/1/2", text, []byte("5")), messages.BadRequest},
		{"write too much", writing("/0/1/5", messages.FormatOpaque, make([]byte, lwm2m.DefaultMaxBytes+1)), messages.RequestEntityTooLarge},
		{"write too much in sum", writing("/0/1/5", messages.FormatOpaque, make([]byte, lwm2m.DefaultMaxBytes)), messages.RequestEntityTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := factoryTree()
			s := opened(t, "1.1", tree).session
			before := s.Tree()
			got := s.serve(c.in)
			if got.Code != c.want {
				t.Errorf("got %v %s, want %v", got.Code, got.Payload, c.want)
			}
			if !got.Code.IsSuccess() && !s.Tree().Equal(before) {
				t.Error("a refused operation changed something")
			}
			if !tree.Equal(factoryTree()) {
				t.Error("the tree to roll back to has changed")
			}
		})
	}
}

// Bootstrap-Read does not exist in LwM2M 1.0, and Discover is written
// differently.
func TestVersion10(t *testing.T) {
	s := session(t, "1.0")
	if got := s.serve(inbound(messages.GET, "/1")); got.Code != messages.MethodNotAllowed {
		t.Errorf("Bootstrap-Read: %v", got.Code)
	}
	got := s.serve(accepting("/", links))
	const want = `lwm2m="1.0",</0>,</0/0>,</0/1>;ssid=1,</1>,</1/0>;ssid=1,</3>,</3/0>`
	if string(got.Payload) != want {
		t.Errorf("got  %s\nwant %s", got.Payload, want)
	}
}

// Without Accept a server gets the format that the request preferred.
func TestReadDefaultFormat(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	if got := m.session.serve(inbound(messages.GET, "/1")); *got.Format != cborF {
		t.Errorf("got %d", *got.Format)
	}
	m = New(Config{})
	m.Step(start, begin("1.1", factoryTree()))
	m.Step(start, messages.LinkUp{Epoch: epoch})
	m.Step(start, messages.Response{Epoch: epoch, ID: m.request, Code: messages.UnsupportedFormat})
	m.Step(start, messages.Response{Epoch: epoch, ID: m.request, Code: messages.Changed})
	if got := m.session.serve(inbound(messages.GET, "/1")); *got.Format != tlvF {
		t.Errorf("got %d after 4.15", *got.Format)
	}
}

func TestDeleteSpares(t *testing.T) {
	for path, want := range map[string][2]int{
		"/": {1, 0}, "/0": {1, 1}, "/1": {2, 0}, "/0/1": {1, 1}, "/1/0": {2, 0},
		"/3": {2, 1}, "/3/0": {2, 1}, "/4711/1": {2, 1}, "/1/7": {2, 1},
	} {
		s := session(t, "1.1")
		s.serve(inbound(messages.DELETE, path))
		if got := [2]int{len(s.Tree().Instances(0)), len(s.Tree().Instances(1))}; got != want {
			t.Errorf("%s leaves %v, want %v", path, got, want)
		}
		checkBootstrapAccount(t, factoryTree(), s.Tree())
	}
}

// A write to an instance replaces it: nothing of the former account stays.
func TestWriteReplacesInstances(t *testing.T) {
	tree := factoryTree()
	tree.PutResource(0, 1, lwm2m.Resource{ID: 14, Value: lwm2m.String("old.example")})
	s := opened(t, "1.1", tree).session
	target := mustPath("/0/1")
	s.serve(writing("/0/1", tlvF, encodeBody(tlvF, target, nodes(target, bodies["psk-1"]))))
	if _, found := s.Tree().Resource(mustPath("/0/1/14")); found {
		t.Error("the server name of the former account is still there")
	}
	s.serve(writing("/0/1/14", text, []byte("new.example")))
	if v, _ := s.Tree().Value(mustPath("/0/1/14")); v.Text() != "new.example" {
		t.Error("a write to a resource was lost")
	}
	if v, _ := s.Tree().Value(mustPath("/0/1/10")); v.Int() != 1 {
		t.Error("a write to a resource took another one away")
	}
}

// Resources that no definition knows are left out of an instance.
func TestWriteIgnoresUnknownResources(t *testing.T) {
	for _, format := range []messages.Format{tlvF, cborF, jsonF} {
		s := session(t, "1.1")
		target := mustPath("/1/5")
		body := append(server(5, 60), lwm2m.Resource{ID: 4711, Value: lwm2m.String("?")},
			lwm2m.Resource{ID: 4712, Multiple: true, Instances: []lwm2m.ResourceInstance{{ID: 1, Value: lwm2m.Opaque([]byte{1})}}})
		got := s.serve(writing("/1/5", format, encodeBody(format, target, nodes(target, body))))
		if got.Code != messages.Changed {
			t.Fatalf("format %d: %v %s", format, got.Code, got.Payload)
		}
		i, _ := s.Tree().Instance(1, 5)
		if len(i.Resources) != len(server(5, 60)) {
			t.Errorf("format %d: %v", format, i.Resources)
		}
	}
}

// One bad value among good ones, and nothing is written.
func TestWriteIsAllOrNothing(t *testing.T) {
	s := session(t, "1.1")
	payload := nodes(mustPath("/1/1"), server(2, 60))
	bad := nodes(mustPath("/1/2"), server(0, 60)) // short server ID 0
	payload.Nodes = append(payload.Nodes, bad.Nodes...)
	payload.Instances = append(payload.Instances, bad.Instances...)
	got := s.serve(writing("/1", tlvF, encodeBody(tlvF, mustPath("/1"), payload)))
	if got.Code != messages.BadRequest || !s.Tree().Equal(factoryTree()) {
		t.Errorf("%v, and instances %v", got.Code, s.Tree().Instances(1))
	}
}

// A budget that is exceeded ends the session (row 10 of the recovery table).
func TestBudgetEndsTheSession(t *testing.T) {
	m := New(Config{MaxBytes: 300})
	m.Step(start, begin("1.1", bareTree()))
	m.Step(start, messages.LinkUp{Epoch: epoch})
	m.Step(start, messages.Response{Epoch: epoch, ID: m.request, Code: messages.Changed})
	in := writing("/0/1/5", messages.FormatOpaque, make([]byte, 290))
	in.Epoch = epoch
	effects := m.Step(start, in)
	if r := reply(t, effects); r.Code != messages.RequestEntityTooLarge {
		t.Errorf("answered %v", r.Code)
	}
	if f := failure(t, effects); f.Class != messages.ClassBudget || f.Phase != messages.PhaseBootstrap {
		t.Errorf("failed with %v", f)
	}
}

// A body that the link has refused for the same budget ends the session too;
// one of an older link, or before the request, does not.
func TestRefusedBodyEndsTheSession(t *testing.T) {
	m := New(Config{MaxBytes: 300})
	m.Step(start, begin("1.1", bareTree()))
	refused := messages.BodyRefused{Epoch: epoch}
	if effects := m.Step(start, refused); len(effects) != 0 {
		t.Errorf("before the link is up: %v", effects)
	}
	m.Step(start, messages.LinkUp{Epoch: epoch})
	m.Step(start, messages.Response{Epoch: epoch, ID: m.request, Code: messages.Changed})
	if effects := m.Step(start, messages.BodyRefused{Epoch: epoch - 1}); len(effects) != 0 {
		t.Errorf("of an older link: %v", effects)
	}
	if f := failure(t, m.Step(start, refused)); f.Class != messages.ClassBudget || !errors.Is(f.Cause, errBudget) {
		t.Errorf("failed with %v", f)
	}
	if effects := m.Step(start, refused); len(effects) != 0 {
		t.Errorf("a second time: %v", effects)
	}
}

// No answer shows a key: not a read, not a discover, not a refusal.
func TestAnswersShowNoKey(t *testing.T) {
	for _, path := range []string{"/", "/0", "/0/0", "/0/0/5", "/0/1", "/1", "/1/0"} {
		for _, accept := range []messages.Format{tlvF, cborF, jsonF, links, text, messages.FormatOpaque} {
			s := session(t, "1.1")
			got := s.serve(accepting(path, accept))
			if bytes.Contains(got.Payload, []byte("bootstrapkey")) || bytes.Contains(got.Payload, []byte("oldkey")) {
				t.Errorf("GET %s in format %d shows a key", path, accept)
			}
		}
	}
}

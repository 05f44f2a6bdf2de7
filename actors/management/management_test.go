package management

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const secret = "secretkey"

// model has the bootstrap account at /0/0, server 1 at /0/1 and /1/0, and
// server 2 at /0/2 and /1/5.
func model(bootstrap bool) *lwm2m.Tree {
	tree := lwm2m.NewTree()
	for inst := range uint16(3) {
		tree.PutInstance(0, lwm2m.Instance{ID: inst, Resources: []lwm2m.Resource{
			{ID: 0, Value: lwm2m.String("coaps://h")},
			{ID: 1, Value: lwm2m.Boolean(bootstrap && inst == 0)},
			{ID: 5, Value: lwm2m.Opaque([]byte(secret))},
		}})
	}
	for ssid, inst := range map[int64]uint16{1: 0, 2: 5} {
		tree.PutInstance(1, lwm2m.Instance{ID: inst, Resources: []lwm2m.Resource{
			{ID: 0, Value: lwm2m.Integer(ssid)},
			{ID: 1, Value: lwm2m.Integer(86400)},
			{ID: 6, Value: lwm2m.Boolean(true)},
			{ID: 7, Value: lwm2m.String("U")},
		}})
	}
	return tree
}

func machine(bootstrap bool) *Machine {
	m := New(Config{Device: Device{Manufacturer: "Holdfast", Serial: "0001"}})
	m.Step(now, messages.ModelChanged{Tree: model(bootstrap)})
	return m
}

// request is the input of most tests: from server 1.
func request(code messages.CoAPCode, path string) messages.Inbound {
	in := messages.Inbound{Peer: messages.ManagementPeer(1), Epoch: 4, ID: 17, Code: code}
	if path != "/" {
		in.Path = strings.Split(strings.TrimPrefix(path, "/"), "/")
	}
	return in
}

func accepting(path string, f messages.Format) messages.Inbound {
	in := request(messages.GET, path)
	in.Accept = &f
	return in
}

func withBody(in messages.Inbound, f messages.Format, body string) messages.Inbound {
	in.ContentFormat, in.Payload = &f, []byte(body)
	return in
}

func withPayload(in messages.Inbound, body string) messages.Inbound {
	in.Payload = []byte(body)
	return in
}

// ask returns the one reply to a request, and what follows it.
func ask(t testing.TB, m *Machine, in messages.Inbound) (messages.Reply, []core.Effect) {
	t.Helper()
	effects := m.Step(now, in)
	tell, ok := effects[0].(core.Tell)
	if !ok || tell.To != core.Link {
		t.Fatalf("the first effect is %v", effects[0])
	}
	reply := tell.Message.(messages.Reply)
	if reply.Epoch != in.Epoch || reply.ID != in.ID {
		t.Fatalf("the reply is to %d/%d", reply.Epoch, reply.ID)
	}
	return reply, effects[1:]
}

const (
	text   = messages.FormatText
	opaque = messages.FormatOpaque
	links  = messages.FormatLinkFormat
	tlvF   = messages.FormatTLV
	cborF  = messages.FormatSenMLCBOR
	jsonF  = messages.FormatSenMLJSON
)

// One line per rule of LwM2M Core section 6.3, for this model.
func TestCodes(t *testing.T) {
	get, put, post, del := messages.GET, messages.PUT, messages.POST, messages.DELETE
	for _, c := range []struct {
		name string
		in   messages.Inbound
		want messages.CoAPCode
	}{
		{"read object", request(get, "/1"), messages.Content},
		{"read own instance", request(get, "/1/0"), messages.Content},
		{"read resource", request(get, "/1/0/1"), messages.Content},
		{"read resource instance", request(get, "/3/0/11/0"), messages.Content},
		{"read device", request(get, "/3/0"), messages.Content},
		{"read as TLV", accepting("/3", tlvF), messages.Content},
		{"read as SenML CBOR", accepting("/3", cborF), messages.Content},
		{"read as SenML JSON", accepting("/3", jsonF), messages.Content},
		{"read single as text", accepting("/3/0/0", text), messages.Content},
		{"read instance of multiple as text", accepting("/3/0/11/0", text), messages.Content},
		{"read multiple as text", accepting("/3/0/11", text), messages.NotAcceptable},
		{"read instance as text", accepting("/3/0", text), messages.NotAcceptable},
		{"read string as opaque", accepting("/3/0/0", opaque), messages.NotAcceptable},
		{"read as JSON of LwM2M 1.0", accepting("/3/0", messages.FormatJSON), messages.Content},
		{"read as draft JSON", accepting("/3/0", 1543), messages.Content},
		{"read single as CBOR", accepting("/3/0/0", messages.FormatCBOR), messages.Content},
		{"read instance as CBOR", accepting("/3/0", messages.FormatCBOR), messages.NotAcceptable},
		{"read as LwM2M CBOR", accepting("/3/0", lwm2m.FormatLwM2MCBOR), messages.NotAcceptable},
		{"read instance as draft text", accepting("/3/0", 1541), messages.NotAcceptable},
		{"read as draft of nothing", accepting("/3/0/0", 1540), messages.NotAcceptable},
		{"read another server's instance", request(get, "/1/5"), messages.Unauthorized},
		{"read another server's resource", request(get, "/1/5/0"), messages.Unauthorized},
		{"read unknown object", request(get, "/4711"), messages.NotFound},
		{"read unknown instance", request(get, "/3/1"), messages.NotFound},
		{"read unset resource", request(get, "/3/0/1"), messages.NotFound},
		{"read unknown resource", request(get, "/3/0/4711"), messages.NotFound},
		{"read unknown resource instance", request(get, "/3/0/11/1"), messages.NotFound},
		{"read instance of a single resource", request(get, "/3/0/0/0"), messages.NotFound},
		{"read executable", request(get, "/1/0/8"), messages.MethodNotAllowed},
		{"read unsupported mandatory", request(get, "/3/0/4"), messages.MethodNotAllowed},
		{"read instance of an executable", request(get, "/1/0/8/0"), messages.NotFound},
		{"read root", request(get, "/"), messages.BadRequest},
		{"read below the model", request(get, "/1/2/3/4/5"), messages.BadRequest},
		{"read by name", request(get, "/device"), messages.BadRequest},
		{"read reserved", request(get, "/65535"), messages.BadRequest},

		{"security object read", request(get, "/0"), messages.Unauthorized},
		{"security instance read", request(get, "/0/0"), messages.Unauthorized},
		{"security key read", request(get, "/0/1/5"), messages.Unauthorized},
		{"security unknown instance", request(get, "/0/9"), messages.Unauthorized},
		{"security discover", accepting("/0", links), messages.Unauthorized},
		{"security write", withBody(request(put, "/0/1"), tlvF, ""), messages.Unauthorized},
		{"security delete", request(del, "/0/1"), messages.Unauthorized},
		{"security create", request(post, "/0"), messages.Unauthorized},
		{"security fetch", request(messages.FETCH, "/0"), messages.Unauthorized},
		{"OSCORE object", request(get, "/21/0"), messages.Unauthorized},

		{"bootstrap finish", request(post, "/bs"), messages.MethodNotAllowed},
		{"bootstrap delete", request(del, "/"), messages.MethodNotAllowed},
		{"discover object", accepting("/3", links), messages.Content},
		{"discover instance", accepting("/1/0", links), messages.Content},
		{"discover resource", accepting("/3/0/11", links), messages.Content},
		{"discover resource instance", accepting("/3/0/11/0", links), messages.MethodNotAllowed},
		{"discover root", accepting("/", links), messages.BadRequest},
		{"discover another server's instance", accepting("/1/5", links), messages.Unauthorized},

		{"execute update trigger", request(post, "/1/0/8"), messages.Changed},
		{"execute with arguments", withBody(request(post, "/1/0/8"), text, "0='1',2"), messages.Changed},
		{"execute bootstrap trigger", request(post, "/1/0/9"), messages.Changed},
		{"execute another server's", request(post, "/1/5/8"), messages.Unauthorized},
		{"execute disable", request(post, "/1/0/4"), messages.Changed},
		{"execute reboot", request(post, "/3/0/4"), messages.MethodNotAllowed},
		{"execute factory reset", request(post, "/3/0/5"), messages.NotFound},
		{"execute readable", request(post, "/3/0/0"), messages.MethodNotAllowed},
		{"execute in TLV", withBody(request(post, "/1/0/8"), tlvF, ""), messages.UnsupportedFormat},
		{"execute with arguments in draft text", withBody(request(post, "/1/0/8"), 1541, "0='1',2"), messages.Changed},
		{"execute in draft TLV", withBody(request(post, "/1/0/8"), 1542, ""), messages.UnsupportedFormat},
		{"execute with garbage", withBody(request(post, "/1/0/8"), text, "0='"), messages.BadRequest},

		{"write instance", withBody(request(put, "/3/0"), tlvF, ""), messages.MethodNotAllowed},
		{"write object", withBody(request(put, "/1"), tlvF, ""), messages.MethodNotAllowed},
		{"write read-only", withBody(request(put, "/1/0/0"), text, "2"), messages.MethodNotAllowed},
		{"write read-only that is not there", withBody(request(put, "/1/0/11"), text, "1"), messages.NotFound},
		{"write unknown resource", withBody(request(put, "/1/0/4711"), text, "1"), messages.NotFound},
		{"write instance of a single resource", withBody(request(put, "/1/0/1/0"), text, "60"), messages.NotFound},
		{"write disable", withBody(request(put, "/1/0/4"), text, "1"), messages.MethodNotAllowed},
		{"write another server's instance", withBody(request(put, "/1/5"), tlvF, ""), messages.Unauthorized},
		{"write another server's resource", withBody(request(put, "/1/5/1"), text, "60"), messages.Unauthorized},
		{"write partially to another server's", withBody(request(post, "/1/5"), tlvF, ""), messages.Unauthorized},
		{"write to an instance that is not there", withBody(request(put, "/1/7"), tlvF, ""), messages.NotFound},
		{"write a resource by POST", withBody(request(post, "/1/0/1"), text, "60"), messages.MethodNotAllowed},
		{"write without a format", withPayload(request(put, "/1/0/1"), "60"), messages.UnsupportedFormat},
		{"write in an unknown format", withBody(request(put, "/1/0/1"), 4711, "60"), messages.UnsupportedFormat},
		{"write in LwM2M CBOR", withBody(request(put, "/1/0/1"), lwm2m.FormatLwM2MCBOR, "\x18\x3c"), messages.UnsupportedFormat},
		{"write garbage in draft JSON", withBody(request(put, "/1/0/1"), 1543, `{"e":[{"n":"","v":"60"}]}`), messages.BadRequest},
		{"write instance as CBOR", withBody(request(put, "/1/0"), messages.FormatCBOR, "\x18\x3c"), messages.UnsupportedFormat},
		{"write garbage in CBOR", withBody(request(put, "/1/0/1"), messages.FormatCBOR, "\x18"), messages.BadRequest},
		{"write garbage in draft TLV", withBody(request(put, "/1/0"), 1542, "\xff"), messages.BadRequest},
		{"write instance as draft text", withBody(request(put, "/1/0"), 1541, "60"), messages.UnsupportedFormat},
		{"write instance as text", withBody(request(put, "/1/0"), text, "60"), messages.UnsupportedFormat},
		{"write garbage", withBody(request(put, "/1/0/1"), text, "sixty"), messages.BadRequest},
		{"write garbage in TLV", withBody(request(put, "/1/0"), tlvF, "\xff"), messages.BadRequest},
		{"write outside of the target", withBody(request(put, "/1/0"), jsonF, `[{"n":"/1/5/1","v":60}]`), messages.BadRequest},
		{"write device resource", withBody(request(put, "/3/0/13"), text, "0"), messages.MethodNotAllowed},
		{"write device resource that is not there", withBody(request(put, "/3/0/14"), text, "+01"), messages.NotFound},
		{"write attributes", request(put, "/1/0/1"), messages.MethodNotAllowed},
		{"write executable", withBody(request(put, "/1/0/8"), text, ""), messages.MethodNotAllowed},
		{"write unknown instance", withBody(request(put, "/3/7"), tlvF, ""), messages.NotFound},
		{"create", withBody(request(post, "/3"), tlvF, ""), messages.MethodNotAllowed},
		{"create unknown object", withBody(request(post, "/4711"), tlvF, ""), messages.NotFound},
		{"delete device", request(del, "/3/0"), messages.MethodNotAllowed},
		{"delete own account", request(del, "/1/0"), messages.MethodNotAllowed},
		{"delete object", request(del, "/1"), messages.MethodNotAllowed},
		{"fetch without a format", request(messages.FETCH, "/"), messages.UnsupportedFormat},
		{"fetch an object", request(messages.FETCH, "/3"), messages.MethodNotAllowed},
		{"ipatch without a format", request(messages.IPATCH, "/"), messages.UnsupportedFormat},
		{"ipatch an instance", request(messages.IPATCH, "/1/0"), messages.MethodNotAllowed},
		{"patch", request(messages.PATCH, "/"), messages.MethodNotAllowed},
		{"unknown method", request(messages.CoAPCode(31), "/3/0"), messages.MethodNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			reply, rest := ask(t, machine(true), c.in)
			if reply.Code != c.want {
				t.Errorf("got %v %s, want %v", reply.Code, reply.Payload, c.want)
			}
			if len(rest) > 0 && reply.Code != messages.Changed {
				t.Errorf("refused, and yet %v", rest)
			}
		})
	}
}

func TestContents(t *testing.T) {
	for _, c := range []struct {
		path   string
		format messages.Format
		want   string
	}{
		{"/3/0/0", text, "Holdfast"},
		{"/3/0/2", text, "0001"},
		{"/3/0/13", text, "1767323045"},
		{"/3/0/16", text, "U"},
		{"/3/0/11/0", text, "0"},
		{"/1/0/1", text, "86400"},
		{"/1/0/6", text, "1"},
		{"/3/0/11", tlvF, "\x83\x0b\x41\x00\x00"},
		{"/1/0", tlvF, "\xc1\x00\x01\xc4\x01\x00\x01\x51\x80\xc1\x06\x01\xc1\x07U"},
		{"/1", tlvF, "\x08\x00\x0f\xc1\x00\x01\xc4\x01\x00\x01\x51\x80\xc1\x06\x01\xc1\x07U"},
		{"/1/0/7", cborF, "\x81\xa2\x21f/1/0/7\x03aU"},
		{"/1/0", jsonF, `[{"bn":"/1/0/","n":"0","v":1},{"n":"1","v":86400},{"n":"6","vb":true},{"n":"7","vs":"U"}]`},
		{"/3/0/0", 1541, "Holdfast"},
		{"/3/0/11", 1542, "\x83\x0b\x41\x00\x00"},
		{"/3/0/11", 99, "\x83\x0b\x41\x00\x00"},
		{"/1", links, "</1>,</1/0>,</1/0/0>,</1/0/1>,</1/0/4>,</1/0/6>,</1/0/7>,</1/0/8>,</1/0/9>"},
		{"/1/0", links, "</1/0>,</1/0/0>,</1/0/1>,</1/0/4>,</1/0/6>,</1/0/7>,</1/0/8>,</1/0/9>"},
		{"/1/0/8", links, "</1/0/8>"},
		{"/3", links, "</3>,</3/0>,</3/0/0>,</3/0/2>,</3/0/11>;dim=1,</3/0/13>,</3/0/16>"},
		{"/3/0/11", links, "</3/0/11>;dim=1"},
	} {
		reply, _ := ask(t, machine(true), accepting(c.path, c.format))
		if string(reply.Payload) != c.want || reply.ContentFormat == nil || *reply.ContentFormat != c.format {
			t.Errorf("%s in format %d: %v %q, want %q", c.path, c.format, reply.Code, reply.Payload, c.want)
		}
	}
}

// Without Accept a server gets what its version reads, and is told which that is:
// TLV in LwM2M 1.0 and while its version is not known, SenML CBOR later.
func TestDefaultFormat(t *testing.T) {
	m := machine(true)
	peer := messages.ManagementPeer(1)
	read := func(epoch messages.Epoch) messages.Format {
		in := request(messages.GET, "/3/0/0")
		in.Epoch = epoch
		reply, _ := ask(t, m, in)
		switch *reply.ContentFormat {
		case tlvF:
			if string(reply.Payload) != "\xc8\x00\x08Holdfast" {
				t.Errorf("TLV: %q", reply.Payload)
			}
		case cborF:
			if string(reply.Payload) != "\x81\xa2\x21f/3/0/0\x03hHoldfast" {
				t.Errorf("SenML CBOR: %q", reply.Payload)
			}
		}
		return *reply.ContentFormat
	}
	for _, c := range []struct {
		what  string
		in    any
		epoch messages.Epoch
		want  messages.Format
	}{
		{"before the session", nil, 4, tlvF},
		{"1.0", messages.SessionUp{Peer: peer, Epoch: 4, Version: "1.0"}, 4, tlvF},
		{"1.1 on the same link", messages.SessionUp{Peer: peer, Epoch: 4, Version: "1.1"}, 4, cborF},
		{"another link", nil, 5, tlvF},
		{"1.2", messages.SessionUp{Peer: messages.ManagementPeer(2), Epoch: 5, Version: "1.2"}, 5, cborF},
		{"lost", messages.SessionLost{Peer: peer, Epoch: 4}, 4, tlvF},
		{"the other is not", nil, 5, cborF},
	} {
		m.Step(now, c.in)
		if got := read(c.epoch); got != c.want {
			t.Errorf("%s: format %d", c.what, got)
		}
	}
	if m.Step(now, messages.SessionLost{Epoch: 5}); len(m.versions) != 0 {
		t.Errorf("it still knows %v", m.versions)
	}
}

// The trigger follows the answer, and names who asked.
func TestTriggers(t *testing.T) {
	for path, want := range map[string]any{
		"/1/0/4": messages.DisableTriggered{Epoch: 4},
		"/1/0/8": messages.UpdateTriggered{Epoch: 4},
		"/1/0/9": messages.BootstrapTriggered{Epoch: 4},
	} {
		reply, rest := ask(t, machine(true), request(messages.POST, path))
		if reply.Code != messages.Changed || len(rest) != 1 {
			t.Fatalf("%s: %v, then %v", path, reply.Code, rest)
		}
		if tell := rest[0].(core.Tell); tell.To != core.Supervisor || tell.Message != want {
			t.Errorf("%s: %v", path, tell)
		}
	}
}

func TestNoBootstrapAccount(t *testing.T) {
	m := machine(false)
	if reply, rest := ask(t, m, request(messages.POST, "/1/0/9")); reply.Code != messages.MethodNotAllowed || len(rest) > 0 {
		t.Errorf("trigger: %v, then %v", reply.Code, rest)
	}
	if reply, _ := ask(t, m, accepting("/1/0", links)); bytes.Contains(reply.Payload, []byte("/1/0/9")) {
		t.Errorf("discover: %s", reply.Payload)
	}
}

// Every server sees its own account.
func TestServersSeeTheirOwn(t *testing.T) {
	in := accepting("/1", links)
	in.Peer = messages.ManagementPeer(2)
	reply, _ := ask(t, machine(true), in)
	if got := string(reply.Payload); !strings.HasPrefix(got, "</1>,</1/5>") || strings.Contains(got, "/1/0") {
		t.Errorf("got %s", got)
	}
}

// Before the first ModelChanged, and for an account that is gone, the object
// is there and empty.
func TestEmptyModel(t *testing.T) {
	m := New(Config{})
	reply, _ := ask(t, m, request(messages.GET, "/1"))
	if reply.Code != messages.Content || len(reply.Payload) > 0 {
		t.Errorf("got %v %q", reply.Code, reply.Payload)
	}
	if reply, _ := ask(t, m, request(messages.GET, "/1/0")); reply.Code != messages.NotFound {
		t.Errorf("got %v", reply.Code)
	}
	// The manufacturer is always shown.
	if reply, _ := ask(t, m, accepting("/3/0/0", text)); reply.Code != messages.Content {
		t.Errorf("got %v", reply.Code)
	}
}

// The machine keeps a copy of the model.
func TestModelIsCopied(t *testing.T) {
	tree := model(true)
	m := New(Config{})
	m.Step(now, messages.ModelChanged{Tree: tree})
	tree.DeleteObject(1)
	if reply, _ := ask(t, m, request(messages.GET, "/1/0")); reply.Code != messages.Content {
		t.Errorf("got %v", reply.Code)
	}
	if effects := m.Step(now, struct{}{}); len(effects) > 0 {
		t.Errorf("an unknown input does %v", effects)
	}
}

func TestObjectEntries(t *testing.T) {
	entries := Announced(Config{})(model(true))
	if len(entries) != 2 || entries[0].ID != 1 || entries[1].ID != 3 {
		t.Fatalf("got %v", entries)
	}
	if got := entries[0].Instances; len(got) != 2 || got[0] != 0 || got[1] != 5 {
		t.Errorf("/1 has %v", got)
	}
}

// Nothing that a server sends can stop the actor, keep it from answering once, or show a
// key or what can only be written.
func FuzzInbound(f *testing.F) {
	f.Add(uint8(messages.GET), "3/0", uint16(tlvF), []byte(nil))
	f.Add(uint8(messages.GET), "0", uint16(links), []byte(nil))
	f.Add(uint8(messages.POST), "1/0/8", uint16(0), []byte("0='1'"))
	f.Add(uint8(messages.PUT), "1/0/1", uint16(0), []byte("60"))
	f.Add(uint8(messages.POST), "1/0", uint16(tlvF), []byte("\xc1\x01\x3c"))
	f.Add(uint8(messages.GET), "4000", uint16(cborF), []byte(nil))
	f.Add(uint8(messages.GET), "4000", uint16(links), []byte(nil))
	f.Add(uint8(messages.POST), "4000", uint16(tlvF), []byte("\x03\x05\xc1\x00x"))
	f.Add(uint8(messages.POST), "4000/0/3", uint16(0), []byte("0='1'"))
	f.Add(uint8(messages.PUT), "4001/0", uint16(jsonF), []byte(`[{"bn":"/4001/0/","n":"0","vs":"x"}]`))
	f.Add(uint8(messages.PUT), "4001/0/2/9", uint16(messages.FormatCBOR), []byte("\x05"))
	f.Add(uint8(messages.DELETE), "4001/0/2/0", uint16(0), []byte(nil))
	f.Add(uint8(messages.DELETE), "4001/0", uint16(0), []byte(nil))
	f.Add(uint8(messages.FETCH), "", uint16(jsonF), []byte(`[{"n":"/"},{"n":"/0"},{"n":"/21/0/1"}]`))
	f.Add(uint8(messages.FETCH), "", uint16(cborF), []byte("\x81\xa1\x00a/"))
	f.Add(uint8(messages.IPATCH), "", uint16(jsonF), []byte(withAccount))
	f.Add(uint8(messages.IPATCH), "", uint16(jsonF), []byte(both))
	f.Fuzz(func(t *testing.T, code uint8, path string, format uint16, payload []byte) {
		in := messages.Inbound{Peer: messages.ManagementPeer(1), Code: messages.CoAPCode(code), Path: strings.Split(path, "/"), Payload: payload}
		in.Accept, in.ContentFormat = new(messages.Format(format)), new(messages.Format(format))
		m := withObjects(newShelf(4000, 0), memory{newShelf(4001, 0, 7)})
		effects := carried(m, m.Step(now, in))
		if w, asked := asked(effects); asked {
			if own := lwm2m.PathOf(1, 0); !own.Contains(w.Path) {
				t.Fatalf("a Write to %v is carried out", w.Path)
			}
			effects = carried(m, m.Step(now, messages.ModelWritten{Code: messages.Changed}))
		}
		if n := countReplies(effects); n != 1 || len(m.jobs)+len(m.writes)+len(m.changing) > 0 {
			t.Fatalf("%d replies; left: %v %v %v", n, m.jobs, m.writes, m.changing)
		}
		reply, _ := answered(effects)
		for _, hidden := range []string{secret, "coaps://h", "hush"} {
			if bytes.Contains(reply.Payload, []byte(hidden)) && !strings.Contains(path+string(payload), hidden) {
				t.Fatalf("an answer shows %q", hidden)
			}
		}
	})
}

func countReplies(effects []core.Effect) (n int) {
	for _, e := range effects {
		if tell, is := e.(core.Tell); is && tell.To == core.Link {
			n++
		}
	}
	return n
}

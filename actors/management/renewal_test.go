package management

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// modes is a model whose bootstrap account and account 1 have these security modes.
func modes(bootstrap, server int64) *lwm2m.Tree {
	tree := model(true)
	tree.PutResource(0, 0, lwm2m.Resource{ID: 2, Value: lwm2m.Integer(bootstrap)})
	tree.PutResource(0, 1, lwm2m.Resource{ID: 2, Value: lwm2m.Integer(server)})
	tree.PutResource(0, 2, lwm2m.Resource{ID: 2, Value: lwm2m.Integer(3)})
	return tree
}

// renewing is a machine whose server 1 has a certificate that a bootstrap renews.
func renewing() *Machine {
	m := New(Config{})
	m.Step(now, messages.ModelChanged{Tree: modes(0, 2)})
	return m
}

// Object 35011 is there, and announced, only where a certificate can be renewed.
func TestEnrolmentObjectIsThereWhereItCanDoSomething(t *testing.T) {
	for _, c := range []struct {
		bootstrap, server int64
		want              bool
	}{
		{0, 2, true}, {3, 2, true}, {2, 4, true}, {3, 4, false}, {0, 0, false}, {2, 1, false}, {2, 3, false},
	} {
		tree := modes(c.bootstrap, c.server)
		there := slices.ContainsFunc(Announced(Config{})(tree), func(e messages.ObjectEntry) bool {
			return e.ID == 35011 && slices.Equal(e.Instances, []uint16{0}) && e.Version == ""
		})
		m := New(Config{})
		m.Step(now, messages.ModelChanged{Tree: tree})
		reply, _ := ask(t, m, accepting("/35011", links))
		if there != c.want || (reply.Code == messages.Content) != c.want {
			t.Errorf("%+v: announced %v, Discover %v", c, there, reply.Code)
		}
		if c.want && string(reply.Payload) != "</35011>,</35011/0>,</35011/0/27002>" {
			t.Errorf("Discover: %s", reply.Payload)
		}
	}
	without := modes(0, 2)
	without.DeleteInstance(0, 0)
	if renewable(without) {
		t.Error("without a bootstrap account")
	}
}

// What can be refused without the supervisor is answered at once.
func TestEnrolmentObjectRefuses(t *testing.T) {
	const target = "/35011/0/27002"
	for _, c := range []struct {
		in     messages.Inbound
		want   messages.CoAPCode
		status string
	}{
		{withPayload(request(messages.POST, target), "0='mbed.BootstrapDeviceCert'"), messages.Unauthorized, "0x050e"},
		{withPayload(request(messages.POST, target), "0='mbed.BootstrapDevicePrivateKey'"), messages.Unauthorized, "0x050e"},
		{withPayload(request(messages.POST, target), "0='other'"), messages.NotFound, "0x0504"},
		{withPayload(request(messages.POST, target), "0"), messages.BadRequest, "0x0506"},
		{withPayload(request(messages.POST, target), "0=''"), messages.BadRequest, "0x0506"},
		{withPayload(request(messages.POST, target), "1='LWM2M'"), messages.BadRequest, "0x0506"},
		{withPayload(request(messages.POST, target), "0='LWM2M',1"), messages.BadRequest, "0x0506"},
		{withPayload(request(messages.POST, target), "LWM2M"), messages.BadRequest, ""},
		{withBody(request(messages.POST, target), tlvF, "0='LWM2M'"), messages.UnsupportedFormat, ""},
		{request(messages.GET, target), messages.MethodNotAllowed, ""},
		{withBody(request(messages.PUT, target), text, "1"), messages.MethodNotAllowed, ""},
		{withBody(request(messages.PUT, "/35011/0"), tlvF, ""), messages.MethodNotAllowed, ""},
		{request(messages.DELETE, "/35011/0"), messages.MethodNotAllowed, ""},
		{withBody(request(messages.POST, "/35011"), tlvF, ""), messages.MethodNotAllowed, ""},
		{request(messages.POST, "/35011/0/1"), messages.NotFound, ""},
		{request(messages.POST, "/35011/1/27002"), messages.NotFound, ""},
		{request(messages.POST, "/3/0/27002"), messages.NotFound, ""},
	} {
		reply, rest := ask(t, renewing(), c.in)
		if reply.Code != c.want || len(rest) > 0 || len(reply.Payload) < len(c.status) || string(reply.Payload[:len(c.status)]) != c.status {
			t.Errorf("%v %v %q: %v %q, %v", c.in.Code, c.in.Path, c.in.Payload, reply.Code, reply.Payload, rest)
		}
	}
	m := New(Config{})
	m.Step(now, messages.ModelChanged{Tree: modes(0, 0)})
	if reply, rest := ask(t, m, request(messages.POST, target)); reply.Code != messages.NotFound || len(rest) > 0 {
		t.Errorf("without a certificate: %v", reply.Code)
	}
}

// wished returns what the supervisor is asked by an Execute of object 35011.
func wished(t *testing.T, m *Machine, arguments string) messages.RenewCertificate {
	t.Helper()
	for _, e := range m.Step(now, withPayload(request(messages.POST, "/35011/0/27002"), arguments)) {
		if tell, is := e.(core.Tell); is && tell.To == core.Supervisor {
			return tell.Message.(messages.RenewCertificate)
		}
	}
	t.Fatal("the supervisor is not asked")
	return messages.RenewCertificate{}
}

// The supervisor decides about the rest, and its answer is that to the request. Without an
// answer there is one after the time that objects have.
func TestEnrolmentObjectAsksTheSupervisor(t *testing.T) {
	for _, arguments := range []string{"", "0='LWM2M'"} {
		for _, judged := range []messages.RenewalJudged{{Code: messages.Changed}, {Code: messages.ServiceUnavailable, Detail: "busy"}} {
			m := renewing()
			w := wished(t, m, arguments)
			m.Step(now, messages.RenewalJudged{Epoch: 5, ID: w.ID, Code: messages.Changed})
			m.Step(now, messages.RenewalJudged{Epoch: 4, ID: w.ID + 1, Code: messages.Changed})
			judged.Epoch, judged.ID = w.Epoch, w.ID
			reply, found := answered(m.Step(now, judged))
			if !found || reply.ID != 17 || reply.Code != judged.Code || string(reply.Payload) != judged.Detail {
				t.Errorf("%+v: %+v", judged, reply)
			}
			if effects := m.Step(now, judged); len(effects) > 0 || len(m.jobs) > 0 {
				t.Errorf("answered twice: %v", effects)
			}
		}
	}
	m := renewing()
	w := wished(t, m, "")
	late := now.Add(DefaultDeadline)
	if reply, found := answered(m.Step(late, core.Expired{Timer: timerJob(w.ID)})); !found || reply.Code != messages.InternalServerError {
		t.Errorf("without an answer: %+v", reply)
	}
	if effects := m.Step(late.Add(time.Second), messages.RenewalJudged{Epoch: 4, ID: w.ID, Code: messages.Changed}); len(effects) > 0 {
		t.Errorf("answered twice: %v", effects)
	}
}

// The Access Control object says who may have certificates renewed.
func TestEnrolmentObjectAndRights(t *testing.T) {
	tree := modes(0, 2)
	tree.PutInstance(2, control(0, 35011, 0, 65535, -1, 1, 4)) // server 1 may read, and server 2 execute
	m := New(Config{})
	m.Step(now, messages.ModelChanged{Tree: tree})
	if reply, _ := ask(t, m, request(messages.POST, "/35011/0/27002")); reply.Code != messages.Unauthorized {
		t.Errorf("server 1: %v", reply.Code)
	}
	m.Step(now, by(2, request(messages.POST, "/35011/0/27002")))
	if len(m.jobs) != 1 {
		t.Error("server 2 does not get through")
	}
}

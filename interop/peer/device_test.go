package peer

import "testing"

const yardstick = "leshan-client"

// leshanPair is a server and Leshan's own client, registered with it.
func leshanPair(t *testing.T, serverArgs []string, clientArgs ...string) (server *LeshanPeer, d Device, client *LeshanPeer) {
	t.Helper()
	server = Leshan(t, LeshanServer, serverArgs...)
	client = Leshan(t, LeshanClient, append(clientArgs,
		"--server", "coap://"+server.CoAP(), "--endpoint", yardstick)...)
	d = server.Device(yardstick)
	d.Event("registered")
	return server, d, client
}

// Leshan takes a client for asleep when it has heard nothing of it, and sends it
// nothing then; an Update wakes it up.
func TestLeshanQueues(t *testing.T) {
	t.Parallel()
	_, d, client := leshanPair(t, []string{"--awake", "1500"}, "--queue", "true")
	d.Event("awake")
	d.Event("asleep")
	if r := d.Read("/3/0", "TLV"); r.Failure != "sleeping" || d.Awake() {
		t.Errorf("asleep: %+v", r)
	}
	client.Do(Object{"op": "update"})
	d.Event("awake")
	if r := d.Read("/3/0/0", "TLV"); r.Values["/3/0/0"] != "Leshan" {
		t.Errorf("awake: %+v", r)
	}
}

// What Leshan does not send is told apart from what a device has refused, and from
// a device that is silent.
func TestLeshanFailures(t *testing.T) {
	t.Parallel()
	server, d, client := leshanPair(t, nil)
	for _, c := range []struct {
		op        string
		arguments Object
		failure   string
	}{
		{"nonesuch", nil, "bad_command"},
		{"read", Object{"path": "/x"}, "invalid_request"},
		{"read", Object{"path": "/3/0", "format": "WORDS"}, "bad_command"},
		{"read", Object{"path": "/3/0", "timeout_ms": 3600000}, "bad_command"},
		{"write", Object{"path": "/3442/0/120", "value": "x"}, "bad_command"},
		{"write", Object{"path": "/3442/0/120", "value": "x", "type": "STRING"}, "invalid_request"},
		{"write", Object{"path": "/3442/0", "value": Object{"110": "x"}, "format": "TEXT"}, "invalid_request"},
		{"create", Object{"path": "/3442", "resources": Object{"110": "x"}, "format": "SENML_CBOR"}, "invalid_request"},
		{"cancel", Object{"path": "/3/0"}, "bad_command"},
	} {
		if r := d.Do(c.op, c.arguments); r.Failure != c.failure || r.Failed == "" {
			t.Errorf("%s %v: %+v, want %s", c.op, c.arguments, r, c.failure)
		}
	}
	if r := server.Device("nobody").Read("/3/0", "TLV"); r.Failure != "not_registered" {
		t.Errorf("nobody: %+v", r)
	}
	client.Kill()
	arguments := Object{"path": "/3/0", "timeout_ms": 300}
	if r := d.Do("read", arguments); r.Failure != "timeout" {
		t.Errorf("a device that is gone: %+v", r)
	}
}

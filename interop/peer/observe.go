package peer

import "context"

// Observe asks for notifications of a path. They are established when the reply
// has Observe.
func (d Device) Observe(path, format string) Reply {
	d.server.t.Helper()
	return d.Do("observe", withFormat(format, Object{"path": path}))
}

// ObserveComposite asks for notifications of several paths at once.
func (d Device) ObserveComposite(format string, paths ...string) Reply {
	d.server.t.Helper()
	return d.Do("observe_composite", withFormat(format, Object{"paths": paths}))
}

// Cancel asks the device to end the observation with that token.
func (d Device) Cancel(token string) Reply {
	d.server.t.Helper()
	return d.Do("cancel", Object{"token": token})
}

// Forget has the server forget the observation with that token: the next
// notification is answered with a Reset.
func (d Device) Forget(token string) {
	d.server.t.Helper()
	if r := d.Do("forget", Object{"token": token}); r.Failure != "" {
		d.server.t.Fatalf("peer: forget %s: %s", token, r.Failed)
	}
}

// Observations returns those that the server keeps of the device.
func (d Device) Observations() []Observation {
	d.server.t.Helper()
	return ask[struct{ Observations []Observation }](d, "observations", nil).Observations
}

// Awake tells whether the server takes a device in queue mode to be awake.
func (d Device) Awake() bool {
	d.server.t.Helper()
	return ask[struct{ Awake bool }](d, "presence", nil).Awake
}

// Event returns the next event of a name about the device, within 2 minutes.
func (d Device) Event(name string) Object {
	d.server.t.Helper()
	return d.eventWhere(name, func(Object) bool { return true })
}

func (d Device) eventWhere(name string, match func(Object) bool) Object {
	d.server.t.Helper()
	ctx, cancel := context.WithTimeout(d.server.t.Context(), eventTimeout)
	defer cancel()
	event, err := d.server.WaitEvent(ctx, name, func(o Object) bool { return o["ep"] == d.endpoint && match(o) })
	if err != nil {
		d.server.t.Fatalf("peer: %s: %v; events: %v", d.endpoint, err, d.server.Events())
	}
	return event
}

// Notification returns the next notification for the observation with that token.
func (d Device) Notification(token string) Notification {
	d.server.t.Helper()
	event := d.eventWhere("notify", func(o Object) bool { return o["token"] == token })
	return decodeObject[Notification](d.server.t, event)
}

// Notifications returns how many there have been for a token since the server
// started.
func (d Device) Notifications(token string) (n int) {
	for _, e := range d.server.Events() {
		if e["event"] == "notify" && e["token"] == token {
			n++
		}
	}
	return n
}

// Sent returns what the next Send of the device had in it, and in which format.
func (d Device) Sent() (samples []Sample, format string) {
	d.server.t.Helper()
	sent := decodeObject[Notification](d.server.t, d.Event("send"))
	return sent.Samples, sent.Format
}

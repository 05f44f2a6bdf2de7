// Package control serves the control API of a client to programs and people on
// the same machine: what the client is doing and why, its events, calls that
// steer it, and what watchdogs and Prometheus ask for. It is plain HTTP/1.1
// with JSON:
//
//	GET  /v1/status      state, connections, counts of events
//	GET  /v1/explain     why it is not connected, what comes next and when;
//	                     text with ?format=text or Accept: text/plain
//	GET  /v1/events      server-sent events, from now on
//	POST /v1/update      and reconnect, bootstrap, factory-reset, pause, resume
//	POST /v1/firmware/grant, and /refuse, and /defer?for=DURATION
//	POST /v1/close       de-registers and stops the client
//	GET  /livez          200 when every actor answers, else 503
//	GET  /readyz         200 when registered, else 503
//	GET  /metrics        Prometheus
//
// A call is answered when it has taken effect. One that the client's state does
// not allow is answered 409 with the code's name.
//
// A program attaches the API to a client before it starts it, and Start says
// when the address cannot be listened on:
//
//	client, err := holdfast.New(cfg)
//	api, err := control.Attach(client, control.Config{Listen: "unix:/run/gw.sock"})
//	err = client.Start(ctx)
//
// Whoever reaches the API can stop the client: it listens on unix sockets of
// mode 0600, or 0660 for a group, and on loopback only. Metrics and health can have
// an address of their own (Config.Metrics), which may be any: nothing else is there. Pages in a browser are kept out by the Origin
// and Host headers. Everything is bounded: connections, requests of each kind,
// so that none can starve another, their bodies, and the time of each.
package control

// Package holdfast is an LwM2M device-management client that never stays
// disconnected, for gateways to embed.
//
// It bootstraps and registers a device with an LwM2M management server over
// CoAP and DTLS, keeps the registration, serves the server's requests, and
// recovers from every connectivity error as its class requires: the error is
// reported once, with its cause, what happens next and when, and the client goes
// on by itself.
//
//	client, err := holdfast.New(holdfast.Config{Endpoint: "gw-0001", Server: &account})
//	err = client.Start(ctx)
//	err = client.Await(ctx, holdfast.Registered)
//	defer client.Close(context.Background())
//
// A [Client] is one device. Any number of them live in one process; those of
// one [Runtime] share an actor system. There are no globals, and a client is
// silent unless it is given a logger.
//
// [Client.Events] reports what happens: every change of state, and every error
// with its cause ([Event.Err]), the next attempt and what a person can do.
// [Client.Status] and [Client.Explain] say how things are.
//
// Two packages are built on this one, for programs that want them: configfile
// reads a [Config] from YAML and the environment, and control serves what a client
// is doing, and its calls, over HTTP on the same machine.
//
// The public packages are these, lwm2m and the packages below it, and lwm2mtest.
// Everything under actors, internal and messages may change at any time.
package holdfast

package holdfast

import (
	"net"
	"net/http"
)

// ControlMaxConns is the bound of connections.
const ControlMaxConns = controlMaxConns

// ControlHandler returns the control API without a listener, so that tests can
// use it in virtual time.
func (c *Client) ControlHandler() http.Handler { return c.control.handler() }

// ServeControl serves the control API of a started client, which has none yet,
// on a listener of the tests.
func (c *Client) ServeControl(l net.Listener) {
	c.control.listener = &controlDoor{Listener: l}
	c.control.serve()
}

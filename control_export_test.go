package holdfast

import "net"

// ControlMaxConns is the bound of connections.
const ControlMaxConns = controlMaxConns

// ServeControl serves the control API of a started client, which has none yet,
// on a listener of the tests.
func (c *Client) ServeControl(l net.Listener) {
	c.control.listener = &controlDoor{Listener: l}
	c.control.serve()
}

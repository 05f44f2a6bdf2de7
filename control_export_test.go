package holdfast

import "net/http"

// ControlHandler returns the control API without a listener, so that tests can
// use it in virtual time.
func (c *Client) ControlHandler() http.Handler { return c.control.handler() }

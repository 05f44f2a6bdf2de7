// Package testhook opens doors of the root package to the tests of the whole
// system, which stand in packages of their own. The root sets its variables when
// it is loaded, and nobody else does; shipped code never reads them.
package testhook

import (
	"net/http"
)

var (
	// ControlHandler returns the control API of a *holdfast.Client without a
	// listener, so that tests can use it in virtual time.
	ControlHandler func(client any) http.Handler
)

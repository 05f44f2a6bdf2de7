// Package testhook opens doors of the root package to the tests of the whole
// system, which stand in packages of their own. The root sets its variables when
// it is loaded, and nobody else does; shipped code never reads them.
package testhook

import (
	"net/http"

	"github.com/holdfast-iot/holdfast/internal/store"
)

var (
	// StoreFS returns an option, of type holdfast.Option, that puts a file
	// system under the state directories of all clients of a runtime.
	StoreFS func(store.FS) any

	// ControlHandler returns the control API of a *holdfast.Client without a
	// listener, so that tests can use it in virtual time.
	ControlHandler func(client any) http.Handler
)

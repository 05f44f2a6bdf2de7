package holdfast

import (
	"net/http"

	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/testhook"
)

func init() {
	testhook.StoreFS = func(fs store.FS) any { return Option(func(r *Runtime) { r.storeFS = fs }) }
	testhook.ControlHandler = func(client any) http.Handler { return client.(*Client).control.handler() }
}

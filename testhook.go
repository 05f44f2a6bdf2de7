package holdfast

import (
	"net/http"

	"github.com/holdfast-iot/holdfast/internal/testhook"
)

func init() {
	testhook.ControlHandler = func(client any) http.Handler { return client.(*Client).control.handler() }
}

package holdfast

import "github.com/holdfast-iot/holdfast/internal/store"

// WithStoreFS puts a file system of the tests under the state directories of
// all clients of the runtime.
func WithStoreFS(fs store.FS) Option { return func(r *Runtime) { r.storeFS = fs } }

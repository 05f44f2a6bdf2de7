package object

import "context"

type serverKey struct{}

// WithServer returns a context that says which server a request is from. The client calls the
// methods of an [Object] with such a context; tests of an object may, too.
func WithServer(ctx context.Context, shortServerID uint16) context.Context {
	return context.WithValue(ctx, serverKey{}, shortServerID)
}

// Server returns the short server ID of the server whose request a method is called for. ok is
// false where that is not known: the client reads the object for itself.
func Server(ctx context.Context) (shortServerID uint16, ok bool) {
	shortServerID, ok = ctx.Value(serverKey{}).(uint16)
	return shortServerID, ok
}

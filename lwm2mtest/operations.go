package lwm2mtest

import (
	"context"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
)

// Content is the payload of a Write or a Create, in a format. It need not be well formed.
type Content struct {
	Format  lwm2m.Format
	Payload []byte
}

// Encode makes the Content of a Write on path, or of a Write-Composite, whose path is
// "/". The error is a [*lwm2m.PathError], or one of [codec.Encode].
func Encode(format lwm2m.Format, path string, nodes ...lwm2m.Node) (Content, error) {
	target, err := lwm2m.ParsePath(path)
	if err != nil {
		return Content{}, err
	}
	payload, err := codec.Encode(format, target, lwm2m.Payload{Nodes: nodes})
	return Content{Format: format, Payload: payload}, err
}

// WriteMode says what a Write does with what its content does not mention (LwM2M Core
// section 6.3.3).
type WriteMode uint8

// The modes of a Write.
const (
	Replace WriteMode = iota // remove it (PUT)
	Merge                    // leave it (POST): Partial Update
)

// The operations of a management server (LwM2M Core section 6.3). Each returns the
// client's answer, whatever its code; for errors, see [Server.Do].

// Discover asks what is at and below path, and with which attributes: the answer is in
// link-format.
func (s *Server) Discover(ctx context.Context, endpoint, path string) (Response, error) {
	return s.Do(ctx, endpoint, Request{Method: lwm2m.CodeGET, Path: path, Accept: new(lwm2m.FormatLinkFormat)})
}

// Write writes an object instance, a resource or a resource instance.
func (s *Server) Write(ctx context.Context, endpoint, path string, mode WriteMode, c Content) (Response, error) {
	method := lwm2m.CodePUT
	if mode == Merge {
		method = lwm2m.CodePOST
	}
	return s.Do(ctx, endpoint, Request{Method: method, Path: path, Format: &c.Format, Payload: c.Payload})
}

// WriteAttributes sets attributes of notifications, such as "pmin=10", and unsets those
// without a value, such as "pmin".
func (s *Server) WriteAttributes(ctx context.Context, endpoint, path string, attributes ...string) (Response, error) {
	return s.Do(ctx, endpoint, Request{Method: lwm2m.CodePUT, Path: path, Query: attributes})
}

// Execute executes a resource, with arguments such as "0='10',2" or with none.
func (s *Server) Execute(ctx context.Context, endpoint, path, arguments string) (Response, error) {
	r := Request{Method: lwm2m.CodePOST, Path: path}
	if arguments != "" {
		r.Format, r.Payload = new(lwm2m.FormatText), []byte(arguments)
	}
	return s.Do(ctx, endpoint, r)
}

// Create makes an instance of the object at path. The answer has its Location when the
// client has chosen its ID.
func (s *Server) Create(ctx context.Context, endpoint, path string, c Content) (Response, error) {
	return s.Do(ctx, endpoint, Request{Method: lwm2m.CodePOST, Path: path, Format: &c.Format, Payload: c.Payload})
}

// Delete removes an object instance.
func (s *Server) Delete(ctx context.Context, endpoint, path string) (Response, error) {
	return s.Do(ctx, endpoint, Request{Method: lwm2m.CodeDELETE, Path: path})
}

// ReadComposite reads what paths name, of any objects. accept is one of SenML; the paths go
// in the same.
func (s *Server) ReadComposite(ctx context.Context, endpoint string, accept lwm2m.Format, paths ...string) (Response, error) {
	r, err := composite(accept, paths)
	if err != nil {
		return Response{}, err
	}
	return s.Do(ctx, endpoint, r)
}

// WriteComposite writes resources of any objects, as a whole or not at all.
func (s *Server) WriteComposite(ctx context.Context, endpoint string, c Content) (Response, error) {
	return s.Do(ctx, endpoint, Request{Method: lwm2m.CodeIPATCH, Path: "/", Format: &c.Format, Payload: c.Payload})
}

// composite is the request of a Read-Composite or Observe-Composite. The error is a
// [*lwm2m.PathError] or a [*codec.FormatError].
func composite(accept lwm2m.Format, names []string) (Request, error) {
	paths := make([]lwm2m.Path, len(names))
	for i, name := range names {
		path, err := lwm2m.ParsePath(name)
		if err != nil {
			return Request{}, err
		}
		paths[i] = path
	}
	payload, err := codec.EncodePaths(accept, paths)
	return Request{Method: lwm2m.CodeFETCH, Path: "/", Accept: &accept, Format: &accept, Payload: payload}, err
}

package control

import "net"

// MaxConns is the bound of connections.
const MaxConns = maxConns

// ServeOn serves the API, which does not listen yet, on a listener of the tests.
func (s *Server) ServeOn(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.api.listener = &door{Listener: l}
	s.api.serve(s.view.Logger())
}

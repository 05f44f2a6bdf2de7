//go:build !linux

package linkwatch

// system is a machine that is not watched.
type system struct{}

// Supported reports whether this system can tell of changes.
const Supported = false

// Listen implements Source.
func (system) Listen() (Listener, error) { return silence(make(chan struct{})), nil }

// Look implements Source. A machine without interfaces is taken for one of which nothing is
// known: see [Watch.Add].
func (system) Look() (*State, error) { return &State{}, nil }

// silence never tells anything.
type silence chan struct{}

func (s silence) Receive() ([]any, error) {
	<-s
	return nil, nil
}

func (s silence) Close() { close(s) }

//go:build unix

package network_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
)

// Whatever of the network needs a descriptor and gets none, says so, and is not taken
// for something else: a name that does not exist, an interface that there is not.
func TestTheNetworkWithoutDescriptors(t *testing.T) {
	if !systemtest.Alone(t) {
		return
	}
	system := network.NewSystem("")
	defer system.Close()
	defer systemtest.Exhaust(t)()
	check := func(what string, err error) {
		t.Helper()
		var limit *descriptors.LimitError
		if !errors.As(err, &limit) || limit.Soft != systemtest.FewFiles || !errors.Is(err, syscall.EMFILE) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, to := range []string{"127.0.0.1:5683", "[fe80::1%lo]:5683", "[fe80::1]:5683"} {
		_, err := system.Dial(t.Context(), netip.MustParseAddrPort(to))
		check("socket to "+to, err)
	}
	_, err := system.Lookup(t.Context(), "localhost")
	check("hosts file", err)
	given := network.NewSystem("127.0.0.1:53")
	defer given.Close()
	_, err = given.Lookup(t.Context(), "lwm2m.test")
	check("name server", err)
}

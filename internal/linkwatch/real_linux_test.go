package linkwatch

import (
	"net/netip"
	"testing"
)

func TestTheKernelTells(t *testing.T) {
	state, err := system{}.Look()
	if err != nil {
		t.Fatal(err)
	}
	lo := state.View().Named("lo")
	t.Logf("%+v", state.View())
	if lo == nil || !lo.Loopback || lo.Reaches() {
		t.Fatalf("lo is %+v", lo)
	}
	found := false
	for _, a := range lo.Addresses {
		found = found || a.Addr == netip.MustParseAddr("127.0.0.1")
	}
	if lo.Up && !found {
		t.Errorf("lo has the addresses %v", lo.Addresses)
	}
}

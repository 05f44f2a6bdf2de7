package download

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// resolvesTo is a resolver that knows one answer.
func resolvesTo(addrs ...string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) ([]netip.Addr, error) {
		var all []netip.Addr
		for _, a := range addrs {
			all = append(all, netip.MustParseAddr(a))
		}
		return all, nil
	}
}

func trusting(roots *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: roots} }

package dtls_test

import (
	"slices"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtlstest"
)

// The honest server of every family is taken for one, at the first sending.
func TestHostileServerIsHonestWithoutDeviations(t *testing.T) {
	for _, f := range dtlstest.Families {
		config, peer := dtlstest.Honest(f, pki, 1)
		a := run(t, f, config, peer, true)
		if a.outcome().Outcome != dtlstest.Ignored || a.timeouts != 0 || len(a.faults()) > 0 {
			t.Errorf("%s: %+v after %d timeouts, %v, %v", f, a.outcome(), a.timeouts, a.out.Err, a.faults())
		}
		if resumed := a.out.Session != nil && a.out.Session.Resumed(); resumed != (f == dtlstest.FamilyResume) {
			t.Errorf("%s: resumed %v", f, resumed)
		}
		t.Logf("%s: a datagram costs %d allocations, %d bytes at most", f, a.worstCount, a.worstMemory)
	}
}

// Every deviation of the table has the outcome and the alert that it says,
// nothing that is not the server's is believed, and no datagram costs more than
// the bounds.
func TestHostileDeviations(t *testing.T) {
	for seed, d := range dtlstest.Deviations {
		t.Run(string(d.Family)+"/"+d.Name, func(t *testing.T) {
			config, peer := dtlstest.Honest(d.Family, pki, uint64(seed))
			d.Apply(&config)
			a := run(t, d.Family, config, peer, true)
			if got := a.outcome(); got != d.Want {
				t.Errorf("%+v, not %+v: %v", got, d.Want, a.out.Err)
			}
			for _, fault := range a.faults() {
				t.Errorf("%v (%d allocations, %d bytes, %d signatures, %d chains)", fault, a.worstCount, a.worstMemory, a.count.signatures, a.count.chains)
			}
			toldServer(t, a, d.Want)
		})
	}
}

// toldServer checks that an alert is what the server sees too, once and as the
// last word; and that a client without one sends none.
func toldServer(t *testing.T, a *attempt, want dtlstest.Want) {
	t.Helper()
	alerts := slices.DeleteFunc(a.server.Alerts(), func(seen dtlstest.Alert) bool { return seen.Level != dtlstest.LevelFatal })
	if want.Outcome != dtlstest.Refused {
		if len(alerts) > 0 {
			t.Errorf("the client sends alerts: %v", alerts)
		}
		return
	}
	if len(alerts) != 1 || alerts[0].Number != want.Alert {
		t.Errorf("the server sees alerts %v", alerts)
	}
}

// Every suite, with and without an extended master secret, on every curve and
// with every hash of a signature, is agreed on with a server that shares no
// code with the client.
func TestHostileServerEverySuite(t *testing.T) {
	for _, suite := range dtlstest.Suites {
		f := dtlstest.FamilyECDSA
		if suite.PSK {
			f = dtlstest.FamilyPSK
		}
		for name, vary := range map[string]func(*dtlstest.Config){
			"plain":      func(*dtlstest.Config) {},
			"no EMS":     func(c *dtlstest.Config) { c.NoEMS = true },
			"no cookie":  func(c *dtlstest.Config) { c.NoCookie = true },
			"nobody's":   func(c *dtlstest.Config) { c.ClientAuth = false },
			"P-256":      func(c *dtlstest.Config) { c.Curves = []uint16{dtlstest.CurveP256} },
			"P-384":      func(c *dtlstest.Config) { c.Curves = []uint16{dtlstest.CurveP384} },
			"SHA-384":    func(c *dtlstest.Config) { c.Schemes = []uint16{dtlstest.SchemeECDSAWithSHA384} },
			"SHA-512":    func(c *dtlstest.Config) { c.Schemes = []uint16{dtlstest.SchemeECDSAWithSHA512} },
			"new ID":     func(c *dtlstest.Config) { c.Session = &dtlstest.Session{ID: []byte("session")} },
			"small MTU":  func(c *dtlstest.Config) { c.Layout.MTU = 128 },
			"no answers": func(c *dtlstest.Config) { c.Hooks.Datagrams = lost(0) },
			"lost twice": func(c *dtlstest.Config) { c.Hooks.Datagrams = lost(1) },
		} {
			config, peer := dtlstest.Honest(f, pki, 1)
			config.Suites = []uint16{suite.ID}
			vary(&config)
			a := run(t, f, config, peer, false)
			if a.outcome().Outcome != dtlstest.Ignored || len(a.faults()) > 0 {
				t.Errorf("%s, %s: %+v, %v, %v; server: %v", suite.Name, name, a.outcome(), a.out.Err, a.faults(), a.server.Err())
			}
		}
	}
}

// lost loses the first sendings of every flight.
func lost(last int) func(*dtlstest.Server, dtlstest.FlightKind, [][]byte) [][]byte {
	return func(s *dtlstest.Server, k dtlstest.FlightKind, flight [][]byte) [][]byte {
		if k != dtlstest.FlightData && k != dtlstest.FlightVerify && s.Attempt() <= last {
			return nil
		}
		return flight
	}
}

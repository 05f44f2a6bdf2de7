package dtls_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtlstest"
)

// mutationsVariable sets how many mutated flights a family gets.
const mutationsVariable = "HOLDFAST_MUTATED_FLIGHTS"

// Mutated flights for each family in a normal run; scripts/handshakes.sh asks
// for more.
const usualMutations = 10_000

func mutations(t *testing.T) int {
	text := os.Getenv(mutationsVariable)
	switch {
	case text == "" && testing.Short():
		return usualMutations / 20
	case text == "":
		return usualMutations
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, and should be a number of flights", mutationsVariable, text)
	}
	return n
}

// Flights that are broken at random never crash the client, never make it use
// keys more often than its bounds allow, and never leave a session behind that
// is not the server's too.
func TestHostileMutatedFlights(t *testing.T) {
	for _, f := range dtlstest.Families {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			outcomes := map[dtlstest.Outcome]int{}
			for mutated, seed := 0, uint64(0); mutated < mutations(t); seed++ {
				n, outcome := mutate(t, f, seed)
				mutated += n
				outcomes[outcome]++
			}
			t.Log(outcomes)
			for _, o := range []dtlstest.Outcome{dtlstest.Ignored, dtlstest.Refused, dtlstest.Stalled} {
				if outcomes[o] == 0 {
					t.Errorf("no handshake was %s: are the mutations too weak or too strong?", o)
				}
			}
		})
	}
}

// mutate does one handshake with a server whose flights are broken, most of
// them when they are sent for the first time and some later. It returns how
// many were.
func mutate(t *testing.T, f dtlstest.Family, seed uint64) (mutated int, outcome dtlstest.Outcome) {
	random := dtlstest.NewRand(seed)
	config, peer := dtlstest.Honest(f, pki, seed)
	config.Hooks.Datagrams = func(s *dtlstest.Server, k dtlstest.FlightKind, flight [][]byte) [][]byte {
		likely := 3
		if s.Attempt() > 0 {
			likely = 1
		}
		if k == dtlstest.FlightData || random.IntN(4) >= likely {
			return flight
		}
		mutated++
		return dtlstest.Mutate(random, flight)
	}
	name := fmt.Sprintf("family %s, seed %d", f, seed)
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("%s: panic: %v", name, r)
		}
	}()
	a := run(t, f, config, peer, false)
	for _, fault := range a.faults() {
		t.Errorf("%s: %v", name, fault)
	}
	return mutated, a.outcome().Outcome
}

package firmware

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Each error is in exactly one class: that of the block that declares it.
func TestEachCauseIsInOneClass(t *testing.T) {
	blocks := []struct {
		class      Class
		first, end Cause
	}{
		{ClassInternal, CauseReportUndelivered, endInternal},
		{ClassLogged, CauseManifestBusy, endLogged},
		{ClassReported, CauseManifestMalformed, endReported},
	}
	var declared []Cause
	for _, b := range blocks {
		for c := b.first; c < b.end; c++ {
			declared = append(declared, c)
			if entry, ok := causes[c]; !ok || entry.class != b.class || c.Class() != b.class {
				t.Errorf("cause %d is not in the table as %s, which its block is for", c, b.class)
			}
		}
	}
	if !slices.Equal(Causes(), declared) || len(causes) != len(declared) {
		t.Errorf("%d causes are declared, %d are in the table", len(declared), len(causes))
	}
}

// What is not reported has no values, and what is ends in words of its own.
func TestCausesHaveWordsAndValues(t *testing.T) {
	words := map[string]Cause{}
	for _, c := range Causes() {
		if other, there := words[c.String()]; there || strings.HasPrefix(c.String(), "cause ") {
			t.Errorf("cause %d says %q, as does %d", c, c, other)
		}
		words[c.String()] = c
		told := c.Result() != ResultNone || c.Object5() != Object5Initial
		if told != (c.Class() == ClassReported) {
			t.Errorf("%s is %s, with result %s and %d", c, c.Class(), c.Result(), c.Object5())
		}
	}
}

// Every result that the table does not mark as unreachable has a cause, or is a success, and
// what is marked has none.
func TestReachableResultsHaveCauses(t *testing.T) {
	reached, shown := map[Result]bool{ResultSuccess: true}, map[int64]bool{Object5Success: true, Object5Initial: true}
	for _, c := range Causes() {
		if c.Class() == ClassReported {
			reached[c.Result()], shown[c.Object5()] = true, true
		}
	}
	for _, r := range Rows() {
		reachable := r.Unreachable == ""
		switch {
		case r.Family == FamilyNewest && reached[r.Result] != reachable:
			t.Errorf("%s: has a cause %t, reachable %t", r.Name, reached[r.Result], reachable)
		case r.Family == FamilyObject5 && (!reachable || !shown[r.Object5]):
			t.Errorf("%d of object 5 has no cause", r.Number)
		case reachable && r.Class == ClassReported && r.Result != ResultNone && !reached[r.Result]:
			t.Errorf("%s %d is reachable, but %s is not", r.Family, r.Number, r.Result)
		}
	}
}

// Where the two faces say different things, because one of them lacks a value.
func TestCausesThatOnlyObject5Tells(t *testing.T) {
	for c, want := range map[Cause]struct {
		result  Result
		object5 int64
	}{
		CauseUnsupportedScheme: {ResultInvalidURI, Object5UnsupportedProtocol},
		CauseCancelled:         {ResultInstallRefused, Object5Cancelled},
		CauseInstallDeferred:   {ResultNone, Object5Deferred},
		CauseReset:             {ResultInstallRefused, Object5Initial},
		CauseSignature:         {ResultSignatureInvalid, Object5IntegrityFailed},
		CauseDeferred:          {ResultNone, Object5Initial},
		CauseManifestBusy:      {ResultNone, Object5Initial},
		Cause(0):               {ResultInternal, Object5UpdateFailed},
	} {
		if c.Result() != want.result || c.Object5() != want.object5 {
			t.Errorf("%s: %s and %d", c, c.Result(), c.Object5())
		}
	}
}

func TestCauseOfError(t *testing.T) {
	full := errors.New("disk full")
	err := fmt.Errorf("block 7: %w", &Error{Cause: CauseNoSpace, Err: full})
	if CauseOf(err) != CauseNoSpace || !errors.Is(err, full) {
		t.Errorf("%s: %s", err, CauseOf(err))
	}
	if got, want := err.Error(), "block 7: there is no room for the image: disk full"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if got := (&Error{Cause: CauseSignature}).Error(); got != "no trusted key has signed the manifest" {
		t.Error(got)
	}
	if got := CauseOf(full); got != CauseInternal {
		t.Error(got)
	}
}

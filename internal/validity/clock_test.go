package validity

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
)

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		clock Clock
		want  Verdict
		blame bool
	}{
		{Clock{Now: day(9)}, Early, true},
		{Clock{Now: day(10).Add(-1)}, Early, true},
		{Clock{Now: day(10)}, Valid, false},
		{Clock{Now: day(20)}, Valid, false},
		{Clock{Now: day(20).Add(1)}, Expired, false},
		{Clock{Now: day(21), Known: day(21)}, Expired, false},
		{Clock{Now: day(21), Known: day(22)}, Doubtful, true},
		{Clock{Now: day(15), Known: day(22)}, Valid, false}, // nothing is at fault
		{Clock{Now: day(9), Known: day(22)}, Early, true},
	} {
		if got := c.clock.Judge(day(10), day(20)); got != c.want || got.BlamesClock() != c.blame {
			t.Errorf("%v: %s, blames the clock: %v", c.clock, got, got.BlamesClock())
		}
	}
}

func TestBlamed(t *testing.T) {
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	issue := func(r testpki.Request) []byte {
		leaf, err := ca.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Cert.Raw
	}
	now := time.Now()
	good, late, expired := issue(testpki.Request{}), issue(testpki.Request{ValidIn: time.Hour}), issue(testpki.Request{Expired: true})
	for name, c := range map[string]struct {
		together bool
		list     [][]byte
		known    time.Time
		want     string // its beginning
	}{
		"valid":                      {true, [][]byte{good}, time.Time{}, ""},
		"one of a chain is early":    {true, [][]byte{good, late}, time.Time{}, "is not valid before "},
		"one of several will do":     {false, [][]byte{late, good}, time.Time{}, ""},
		"all are early":              {false, [][]byte{late}, time.Time{}, "is not valid before "},
		"expired":                    {true, [][]byte{expired}, time.Time{}, ""},
		"expired by a wrong clock":   {true, [][]byte{expired}, now.Add(time.Minute), "expired at "},
		"a clock before another one": {true, [][]byte{expired, late}, time.Time{}, "expired at "},
		"an anchor for later":        {false, [][]byte{expired, late}, time.Time{}, "is not valid before "},
		"no certificate":             {true, [][]byte{[]byte("garbage")}, time.Time{}, ""},
	} {
		got := Clock{Now: now, Known: c.known}.Blamed(c.together, c.list)
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWrong(t *testing.T) {
	if (Clock{Now: day(1)}).Wrong() || (Clock{Now: day(1), Known: day(1)}).Wrong() {
		t.Error("a clock is wrong that nothing is known against")
	}
	if !(Clock{Now: day(1), Known: day(2)}).Wrong() {
		t.Error("a clock before what is known is right")
	}
}

func TestNewest(t *testing.T) {
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	late, err := ca.Issue(testpki.Request{ValidIn: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	got := Newest([][]byte{ca.Cert.Raw, late.Cert.Raw, []byte("garbage")})
	if !got.Equal(late.Cert.NotBefore) {
		t.Errorf("%v, want %v", got, late.Cert.NotBefore)
	}
	if !Newest(nil).IsZero() || !Begun(nil, nil).IsZero() || !Begun(nil, [][]byte{[]byte("garbage")}).IsZero() {
		t.Error("no certificate has a beginning")
	}
	own, anchors := [][]byte{ca.Cert.Raw}, [][]byte{late.Cert.Raw, ca.Cert.Raw}
	if got := Begun(own, anchors); !got.Equal(ca.Cert.NotBefore) {
		t.Errorf("%v by anchors of which one is for later, want %v", got, ca.Cert.NotBefore)
	}
	if got := Begun(anchors, own); !got.Equal(late.Cert.NotBefore) {
		t.Errorf("%v by an own chain, want %v", got, late.Cert.NotBefore)
	}
	if got := Later(day(2), day(1)); got != day(2) {
		t.Errorf("the later one is %v", got)
	}
}

func TestExpiry(t *testing.T) {
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(testpki.Request{})
	if err != nil {
		t.Fatal(err)
	}
	chain := [][]byte{leaf.Cert.Raw, []byte("an issuer that cannot be read")}
	if got := Expiry(chain); !got.Equal(leaf.Cert.NotAfter) {
		t.Errorf("%v, want %v", got, leaf.Cert.NotAfter)
	}
	if none, garbage := Expiry(nil), Expiry(chain[1:]); !none.IsZero() || !garbage.IsZero() {
		t.Errorf("%v, %v", none, garbage)
	}
}

package validity

import (
	"cmp"
	"crypto/x509"
	"slices"
	"time"
)

// Clock is what a client knows of the time at the instant of a judgement.
type Clock struct {
	// Now is what the wall clock of this machine shows.
	Now time.Time
	// Known is an instant that has passed, whatever the clock shows: that of the
	// build, of the newest stored record, of the newest certificate. Zero when
	// nothing is known.
	Known time.Time
}

// Wrong reports whether the clock stands before an instant that has passed. What
// is then valid or expired cannot be told.
func (c Clock) Wrong() bool { return c.Now.Before(c.Known) }

// Wall says what the wall clock shows at an instant. Nil is the rule: an instant of
// time.Now has it with it. Only a test sets a clock otherwise.
type Wall func(instant time.Time) time.Time

// At returns what the wall clock shows at an instant.
func (w Wall) At(instant time.Time) time.Time {
	if w == nil {
		return instant
	}
	return w(instant)
}

// Verdict is what a clock says of a validity period.
type Verdict uint8

// The verdicts.
const (
	// Valid: the period includes the present.
	Valid Verdict = iota
	// Early: the period has not begun. Certificates are issued with the present
	// as their beginning, so that this blames the clock.
	Early
	// Expired: the period is over, and nothing says that the clock is wrong.
	Expired
	// Doubtful: the period is over by a clock that is known to be wrong.
	Doubtful
)

// String returns the verdict in words.
func (v Verdict) String() string {
	names := [...]string{"valid", "not valid yet", "expired", "expired by a wrong clock"}
	if int(v) < len(names) {
		return names[v]
	}
	return "invalid"
}

// BlamesClock reports whether the clock, and not the certificate, is at fault.
func (v Verdict) BlamesClock() bool { return v == Early || v == Doubtful }

// Judge says what the clock says of a period, both of whose ends belong to it.
func (c Clock) Judge(notBefore, notAfter time.Time) Verdict {
	switch {
	case c.Now.Before(notBefore):
		return Early
	case !c.Now.After(notAfter):
		return Valid
	case c.Wrong():
		return Doubtful
	}
	return Expired
}

// Blamed returns the sentence, without a subject, with which a person is told that a
// clock is at fault and not the certificates of a list, in DER; empty when it is not.
// Of several that are to be valid together each counts, of alternatives one that is
// valid is enough, and those that have expired do not count.
func (c Clock) Blamed(together bool, list [][]byte) (sentence string) {
	if together {
		c.Known = Later(c.Known, Begun(list, nil))
	} else {
		c.Known = Later(c.Known, Begun(nil, list))
	}
	for _, der := range list {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		if !together && c.Judge(certificate.NotBefore, certificate.NotAfter) == Valid {
			return ""
		}
		sentence = cmp.Or(sentence, c.Says(certificate.NotBefore, certificate.NotAfter))
	}
	return sentence
}

// Says returns that sentence for one period.
func (c Clock) Says(notBefore, notAfter time.Time) string {
	switch c.Judge(notBefore, notAfter) {
	case Early:
		return "is not valid before " + stamp(notBefore) + ", and this machine's clock shows " + stamp(c.Now)
	case Doubtful:
		return "expired at " + stamp(notAfter) + " by this machine's clock, which is wrong: it shows " + stamp(c.Now) +
			", before " + stamp(c.Known)
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Begun returns the latest instant that has passed by what the certificates of an
// account say, in DER: when its own became valid, and the first of its alternative
// trust anchors did. An anchor may be there for a time to come, and says nothing of the
// present. Zero when nothing is known.
func Begun(own, anchors [][]byte) time.Time {
	begun := Newest(own)
	if beginnings := beginnings(anchors); len(beginnings) > 0 {
		begun = Later(begun, slices.MinFunc(beginnings, time.Time.Compare))
	}
	return begun
}

// beginnings returns when certificates begin to be valid. What is none does not count.
func beginnings(list [][]byte) (all []time.Time) {
	for _, der := range list {
		if c, err := x509.ParseCertificate(der); err == nil {
			all = append(all, c.NotBefore)
		}
	}
	return all
}

// Newest returns the latest instant at which one of these certificates, in DER,
// begins to be valid; zero for none. What is no certificate does not count.
func Newest(chain [][]byte) (newest time.Time) {
	for _, at := range beginnings(chain) {
		newest = Later(newest, at)
	}
	return newest
}

// Expiry returns when the first certificate of a chain, in DER, expires: whose chain it
// is. It is zero where there is none, or where it cannot be read.
func Expiry(chain [][]byte) time.Time {
	if len(chain) == 0 {
		return time.Time{}
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return time.Time{}
	}
	return leaf.NotAfter
}

// Later returns the later of two instants.
func Later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

package enrolment

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/est"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// driver steps a machine and keeps what it has done.
type driver struct {
	*testing.T
	m       *Machine
	now     time.Time
	request messages.Request // the last one
	told    []any            // to the supervisor
	made    est.Request
	ca      *lwm2mtest.Authority
}

const epoch = 7

func newDriver(t *testing.T, wall validity.Wall) *driver {
	t.Helper()
	ca, err := lwm2mtest.NewAuthority("EST CA")
	if err != nil {
		t.Fatal(err)
	}
	return &driver{T: t, m: New(Config{Wall: wall}), now: time.Now(), ca: ca}
}

func (d *driver) step(in any) {
	d.Helper()
	for _, e := range d.m.Step(d.now, in) {
		switch e := e.(type) {
		case core.Tell:
			if r, ok := e.Message.(messages.Request); ok && e.To == core.Link {
				d.request = r
			} else if e.To == core.Supervisor {
				d.told = append(d.told, e.Message)
			}
		case Make:
			r, err := est.NewRequest(rand.Reader, e.Present, e.Endpoint)
			if err != nil {
				d.Fatal(err)
			}
			d.made = r
			d.step(Made{Request: messages.EnrolmentRequest(r)})
		}
	}
}

// begin has an attempt begin, and its link come up.
func (d *driver) begin(change func(*messages.BeginEnrolment)) {
	d.Helper()
	in := messages.BeginEnrolment{Peer: messages.EnrolmentPeer(1), Epoch: epoch, Endpoint: "gw-1", Deadline: d.now.Add(3 * time.Minute)}
	if change != nil {
		change(&in)
	}
	if in.Request != nil {
		d.made = est.Request(*in.Request)
	}
	d.step(in)
	d.step(messages.LinkUp{Epoch: epoch})
}

func (d *driver) answer(code messages.CoAPCode, change func(*messages.Response)) {
	d.Helper()
	in := messages.Response{Epoch: epoch, ID: d.request.ID, Code: code}
	if change != nil {
		change(&in)
	}
	d.step(in)
}

func body(format messages.Format, data []byte) func(*messages.Response) {
	return func(r *messages.Response) { r.ContentFormat, r.Payload = &format, data }
}

// issue is a certificate for the request that was made.
func (d *driver) issue(name string) []byte {
	d.Helper()
	csr, err := x509.ParseCertificateRequest(d.made.CSR)
	if err != nil {
		d.Fatal(err)
	}
	c, err := d.ca.Issue(csr.PublicKey, name, d.now.Add(-time.Minute), d.now.Add(time.Hour))
	if err != nil {
		d.Fatal(err)
	}
	return c.Raw
}

func (d *driver) asked(want string) {
	d.Helper()
	if got := d.request.Code.String() + " /" + strings.Join(d.request.Path, "/"); got != want {
		d.Fatalf("asked %s, want %s", got, want)
	}
}

func (d *driver) last() any {
	d.Helper()
	if len(d.told) == 0 {
		d.Fatal("nothing was reported")
	}
	return d.told[len(d.told)-1]
}

func (d *driver) failure() messages.Failure {
	d.Helper()
	in, ok := d.last().(messages.Failed)
	if !ok || d.m.State() != Done {
		d.Fatalf("%#v in state %v", d.last(), d.m.State())
	}
	if f := in.Failure; f.Phase != messages.PhaseEnrolment || f.Epoch != epoch || f.Peer != messages.EnrolmentPeer(1) {
		d.Errorf("a failure of %v in phase %v, epoch %d", f.Peer, f.Phase, f.Epoch)
	}
	return in.Failure
}

func TestEnrolment(t *testing.T) {
	d := newDriver(t, nil)
	d.begin(nil)
	if got, ok := d.last().(messages.EnrolmentRequested); !ok || !reflect.DeepEqual(est.Request(got.Request), d.made) {
		t.Errorf("told %#v", d.last())
	}
	d.asked("0.01 /.well-known/est/crts")
	d.answer(messages.Content, body(est.FormatCertificate, d.ca.Certificate().Raw))
	d.asked("0.02 /.well-known/est/sen")
	if *d.request.ContentFormat != est.FormatPKCS10 || *d.request.Accept != est.FormatCertsOnly || string(d.request.Payload) != string(d.made.CSR) {
		t.Errorf("%+v", d.request)
	}
	leaf := d.issue("gw-1")
	d.answer(messages.Changed, body(est.FormatCertificate, leaf))
	got, ok := d.last().(messages.Enrolled)
	if !ok || string(got.Chain[0]) != string(leaf) || string(got.Key) != string(d.made.Key) || d.m.State() != Done {
		t.Fatalf("%#v", d.last())
	}
}

func TestReenrolmentGoesToItsOwnResource(t *testing.T) {
	d := newDriver(t, nil)
	first := newDriver(t, nil)
	first.begin(nil)
	present := first.issue("gw-1")
	d.begin(func(b *messages.BeginEnrolment) { b.Present, b.Root = present, []string{"est"} })
	d.asked("0.01 /est/crts")
	d.answer(messages.NotFound, nil)
	d.asked("0.02 /est/sren")
	d.answer(messages.NotFound, nil) // the root was given: there is no other
	if f := d.failure(); f.Class != messages.ClassRejected || f.Answer != messages.NotFound {
		t.Errorf("%+v", f)
	}
}

func TestProofIsTheHandshake(t *testing.T) {
	d := newDriver(t, nil)
	d.begin(func(b *messages.BeginEnrolment) { b.Prove = true })
	if d.last() != any(messages.Proven{Epoch: epoch}) || d.m.State() != Done || d.request.ID != 0 {
		t.Errorf("%#v, asked %+v", d.told, d.request)
	}
}

func TestSameRequestAgain(t *testing.T) {
	first := newDriver(t, nil)
	first.begin(nil)
	d := newDriver(t, nil)
	d.begin(func(b *messages.BeginEnrolment) { b.Request = new(messages.EnrolmentRequest(first.made)) })
	if len(d.told) > 0 {
		t.Errorf("told %#v", d.told)
	}
	d.answer(messages.NotFound, nil)
	if string(d.request.Payload) != string(first.made.CSR) {
		t.Error("another request was sent")
	}
}

func TestRootIsDiscovered(t *testing.T) {
	d := newDriver(t, nil)
	d.begin(nil)
	d.answer(messages.NotFound, nil)
	d.answer(messages.NotFound, nil)
	d.asked("0.01 /.well-known/core")
	if d.request.Query[0] != "rt=ace.est*" {
		t.Errorf("%q", d.request.Query)
	}
	d.answer(messages.Content, body(messages.FormatLinkFormat, []byte(`</a/est/sen>;rt="ace.est.sen"`)))
	d.asked("0.01 /a/est/crts")
	d.answer(messages.NotFound, nil)
	d.asked("0.02 /a/est/sen")
	d.answer(messages.NotFound, nil)
	if f := d.failure(); f.Answer != messages.NotFound {
		t.Errorf("%+v", f)
	}
}

func TestCertificateAloneIsAskedForOnce(t *testing.T) {
	d := newDriver(t, nil)
	d.begin(nil)
	d.answer(messages.NotFound, nil)
	d.answer(messages.NotAcceptable, nil)
	if d.asked("0.02 /.well-known/est/sen"); *d.request.Accept != est.FormatCertificate {
		t.Errorf("accepts %d", *d.request.Accept)
	}
	d.answer(messages.NotAcceptable, nil)
	if f := d.failure(); f.Answer != messages.NotAcceptable {
		t.Errorf("%+v", f)
	}
}

func TestEchoIsRepeatedOnce(t *testing.T) {
	d := newDriver(t, nil)
	d.begin(nil)
	echo := func(r *messages.Response) { r.Echo = []byte{1} }
	d.answer(messages.Unauthorized, echo)
	if d.asked("0.01 /.well-known/est/crts"); string(d.request.Echo) != "\x01" {
		t.Errorf("%+v", d.request)
	}
	d.answer(messages.Unauthorized, echo)
	d.asked("0.02 /.well-known/est/sen") // who may not see the authorities may enrol all the same
}

func TestRefusals(t *testing.T) {
	maxAge := func(r *messages.Response) { r.MaxAge = new(uint32(60)) }
	for name, c := range map[string]struct {
		fetched bool // crts was answered
		code    messages.CoAPCode
		change  func(*messages.Response)
		class   messages.Class
	}{
		"bad request":             {true, messages.BadRequest, nil, messages.ClassRejected},
		"unauthorized":            {true, messages.Unauthorized, nil, messages.ClassRejected},
		"forbidden":               {true, messages.Forbidden, nil, messages.ClassRejected},
		"too large":               {true, messages.RequestEntityTooLarge, nil, messages.ClassRejected},
		"time":                    {true, messages.ServiceUnavailable, maxAge, messages.ClassRejected},
		"time, at first":          {false, messages.ServiceUnavailable, maxAge, messages.ClassRejected},
		"too many, at first":      {false, messages.TooManyRequests, maxAge, messages.ClassRejected},
		"trouble":                 {true, messages.InternalServerError, nil, messages.ClassRejected},
		"no format":               {true, messages.Changed, nil, messages.ClassBadAnswer},
		"garbage":                 {true, messages.Changed, body(est.FormatCertsOnly, []byte("x")), messages.ClassBadAnswer},
		"garbage for authorities": {false, messages.Content, body(est.FormatCertsOnly, []byte("x")), messages.ClassBadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t, nil)
			d.begin(nil)
			if c.fetched {
				d.answer(messages.NotFound, nil)
			}
			d.answer(c.code, c.change)
			f := d.failure()
			if f.Class != c.class || c.class == messages.ClassRejected && f.Answer != c.code {
				t.Errorf("%+v", f)
			}
			if asks := c.change != nil && c.class == messages.ClassRejected; asks != (f.MaxAge != nil) || asks && *f.MaxAge != time.Minute {
				t.Errorf("Max-Age %v", f.MaxAge)
			}
			d.answer(messages.Changed, nil)
			if _, ok := d.last().(messages.Failed); !ok {
				t.Error("more was reported after the failure")
			}
		})
	}
}

// What does not fit is refused, whoever has issued it.
func TestCertificateThatDoesNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		wall   validity.Wall
		change func(*messages.BeginEnrolment)
		name   string
		anchor bool // the server names another authority as its own
		want   est.Reason
	}{
		"another name":      {nil, nil, "gw-2", false, est.ReasonName},
		"another authority": {nil, nil, "gw-1", true, est.ReasonIssuer},
		"expired":           {func(i time.Time) time.Time { return i.AddDate(1, 0, 0) }, nil, "gw-1", false, est.ReasonExpired},
		"by a wrong clock":  {func(i time.Time) time.Time { return i.AddDate(1, 0, 0) }, func(b *messages.BeginEnrolment) { b.Known = time.Now().AddDate(2, 0, 0) }, "gw-1", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, other := newDriver(t, c.wall), newDriver(t, nil)
			d.begin(c.change)
			authority := d.ca.Certificate()
			if c.anchor {
				authority = other.ca.Certificate()
			}
			d.answer(messages.Content, body(est.FormatCertificate, authority.Raw))
			d.answer(messages.Changed, body(est.FormatCertificate, d.issue(c.name)))
			if c.want == "" {
				if _, ok := d.last().(messages.Enrolled); !ok {
					t.Errorf("%#v", d.last())
				}
				return
			}
			f := d.failure()
			if e, ok := errors.AsType[*est.CertificateError](f.Cause); f.Class != messages.ClassBadAnswer || !ok || e.Reason != c.want {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestAttemptEnds(t *testing.T) {
	for name, c := range map[string]struct {
		in   any
		want messages.Class
	}{
		"time":      {core.Expired{Timer: timerAttempt}, messages.ClassTimeout},
		"lost":      {messages.LinkLost{Failure: messages.Failure{Class: messages.ClassRefused, Epoch: epoch}}, messages.ClassRefused},
		"silence":   {messages.RequestFailed{Epoch: epoch, ID: 1, Reason: messages.Exhausted}, messages.ClassTimeout},
		"reset":     {messages.RequestFailed{Epoch: epoch, ID: 1, Reason: messages.Reset}, messages.ClassReset},
		"too large": {messages.RequestFailed{Epoch: epoch, ID: 1, Reason: messages.TooLarge}, messages.ClassBudget},
	} {
		d := newDriver(t, nil)
		d.begin(nil)
		d.step(c.in)
		if f := d.failure(); f.Class != c.want {
			t.Errorf("%s: %+v", name, f)
		}
	}
	d := newDriver(t, nil)
	d.step(messages.BeginEnrolment{Peer: messages.EnrolmentPeer(1), Epoch: epoch, Deadline: d.now, Prove: true})
	d.step(Made{Err: errors.New("no key")}) // nobody has asked for one: but a failure of its own would be
	if f := d.failure(); f.Class != messages.ClassConfiguration {
		t.Errorf("%+v", f)
	}
}

// What belongs to another epoch, or to a request before, changes nothing.
func TestLateMessages(t *testing.T) {
	d := newDriver(t, nil)
	d.begin(nil)
	told := len(d.told)
	for _, in := range []any{
		messages.LinkLost{Failure: messages.Failure{Epoch: epoch - 1}}, messages.Response{Epoch: epoch - 1, ID: 1, Code: messages.BadGateway},
		messages.Response{Epoch: epoch, ID: 9, Code: messages.BadGateway}, messages.RequestFailed{Epoch: epoch, ID: 9},
		messages.LinkUp{Epoch: epoch - 1}, messages.LinkUp{Epoch: epoch}, Made{}, messages.BeginEnrolment{Epoch: epoch + 1}, "nonsense",
	} {
		d.step(in)
	}
	if d.m.State() != Fetching || len(d.told) != told || d.request.ID != 1 {
		t.Errorf("%v, told %#v, asked %+v", d.m.State(), d.told, d.request)
	}
}

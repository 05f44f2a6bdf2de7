package console

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// notify sends a notification of the observation that the last request but some
// began.
func (g *gateway) notify(began coap.Message, m coap.Message) {
	g.mid++
	m.Type, m.MID, m.Token = coap.NON, g.mid, began.Token
	g.send(m)
	synctest.Wait()
}

func TestObserveAndCancel(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		g := b.gateway("gw", "192.0.2.9", links)
		value := func(v string) coap.Message {
			return content(lwm2m.FormatSenMLJSON, `[{"n":"/3/0/9","v":`+v+`}]`)
		}
		g.will(code(lwm2m.CodeChanged), observed(value("80"), 1))
		b.wants("observe /3/0/9 pmin=5", `{"code":"2.05","command":"observe","endpoint":"gw","format":"senml-json","name":"Content","path":"/3/0/9","value":80}`)
		began := g.asked()
		if written := g.requests()[len(g.requests())-2]; asLine(written) != "PUT /3/0/9?pmin=5" {
			t.Errorf("written %q", asLine(written))
		}
		g.notify(began, observed(value("79"), 2))
		got := b.printed()
		if len(got) != 1 || asJSON(t, got[0]) != `{"code":"2.05","command":"observe","endpoint":"gw","format":"senml-json","name":"Content","path":"/3/0/9","sequence":2,"type":"notification","value":79}` {
			t.Errorf("printed %+v", got)
		}
		if a := b.says("observe /3/0/9"); !strings.Contains(a.Error, "observed already: cancel that first") {
			t.Errorf("observed twice: %+v", a)
		}
		if a := b.says("cancel /3/0/8"); a.Error != "not observed; what is: /3/0/9" {
			t.Errorf("answer %+v", a)
		}
		g.will(value("79"))
		b.wants("cancel /3/0/9", `{"code":"2.05","command":"cancel","endpoint":"gw","format":"senml-json","name":"Content","path":"/3/0/9","value":79}`)
		g.notify(began, observed(value("78"), 3))
		if got := b.printed(); len(got) != 0 {
			t.Errorf("printed %+v", got)
		}
	})
}

func TestObserveComposite(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		g := b.gateway("gw", "192.0.2.9", links)
		value := content(lwm2m.FormatSenMLJSON, `[{"n":"/3/0/9","v":80},{"n":"/1/0/1","v":300}]`)
		g.will(observed(value, 1))
		b.wants("observe-composite /3/0/9 /1/0/1", `{"code":"2.05","command":"observe-composite","endpoint":"gw","format":"senml-json","name":"Content","path":"/3/0/9 /1/0/1","value":{"/1/0/1":300,"/3/0/9":80}}`)
		if got := asLine(g.asked()); got != `FETCH / accept 110 format 110 [{"n":"/3/0/9"},{"n":"/1/0/1"}]` {
			t.Errorf("asked %q", got)
		}
		g.notify(g.asked(), observed(content(lwm2m.FormatSenMLJSON, `[{"n":"/3/0/9","v":80}]`), 2))
		if got := b.printed(); len(got) != 1 || got[0].Path != "/3/0/9 /1/0/1" || got[0].Type != TypeNotification {
			t.Errorf("printed %+v", got)
		}
		g.will(value)
		if a := b.says("cancel /3/0/9 /1/0/1"); a.Code != "2.05" {
			t.Errorf("answer %+v", a)
		}
	})
}

// What is typed in one go counts in order: an observation is there when it has begun, and
// not any more once it is cancelled.
func TestObserveInOneGo(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		g := b.gateway("gw", "192.0.2.9", links)
		value := observed(content(lwm2m.FormatSenMLJSON, `[{"n":"/3/0/9","v":80}]`), 1)
		g.will(value, content(lwm2m.FormatSenMLJSON, `[{"n":"/3/0/9","v":80}]`), value)
		for _, line := range []string{"observe /3/0/9", "observe /3/0/9", "cancel /3/0/9", "observe /3/0/9", "observe /3/0/9 pmin=1"} {
			b.Do(line)
		}
		time.Sleep(timeToAnswer * 5)
		var got []string
		for _, a := range b.printed() {
			got = append(got, joined(" ", a.Command, a.Code, a.Error))
		}
		const again = "observe observed already: cancel that first, or set its attributes with attr"
		if want := []string{"observe 2.05", again, "cancel 2.05", "observe 2.05", again}; !slices.Equal(got, want) {
			t.Errorf("printed %q", got)
		}
		if n := len(b.server.Observations("gw")); n != 1 {
			t.Errorf("%d observations", n)
		}
	})
}

// What ends an observation that nobody has cancelled is printed.
func TestObservationEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(g *gateway, began coap.Message)
		want string
	}{
		"by the client":         {func(g *gateway, began coap.Message) { g.notify(began, code(lwm2m.CodeNotFound)) }, "the client has ended the observation"},
		"with the registration": {func(g *gateway, _ coap.Message) { time.Sleep(48 * time.Hour) }, "the observation has ended with the registration"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				g := b.gateway("gw", "192.0.2.9", links)
				g.will(observed(content(lwm2m.FormatSenMLJSON, `[]`), 1))
				b.says("observe /3")
				tc.end(g, g.asked())
				got := b.printed()
				if len(got) == 0 || got[len(got)-1].Error != tc.want || got[len(got)-1].Type != TypeNotification {
					t.Errorf("printed %+v", got)
				}
			})
		})
	}
}

func TestObserveThatIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		g := b.gateway("gw", "192.0.2.9", links)
		g.will(code(lwm2m.CodeBadRequest))
		seen := len(g.requests())
		b.wants("observe /3 pmin=5", `{"code":"4.00","command":"observe","detail":"not observed, as the attributes are refused","endpoint":"gw","name":"Bad Request","path":"/3"}`)
		if len(g.requests()) != seen+1 {
			t.Errorf("asked %v", g.requests()[seen:])
		}
		g.will(code(lwm2m.CodeMethodNotAllowed))
		b.wants("observe /3", `{"code":"4.05","command":"observe","endpoint":"gw","name":"Method Not Allowed","path":"/3"}`)
		g.will(content(lwm2m.FormatSenMLJSON, `[]`))
		if a := b.says("observe /3"); a.Detail != "answered once: the client does not observe this" {
			t.Errorf("answer %+v", a)
		}
	})
}

package hostile_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// sensor is an object of the application.
type sensor struct {
	Value float64      `lwm2m:"5700,R"`
	Name  string       `lwm2m:"5750,RW"`
	Max   float64      `lwm2m:"5602,RW,range=0..100"`
	Reset func() error `lwm2m:"5605,E"`
}

// serving makes a client serve a sensor, and counts its resets.
func serving(t *testing.T, resets *int) (*object.Instance[sensor], func(*holdfast.Config)) {
	t.Helper()
	sensors, err := object.Of[sensor](lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Version: "1.0", Multiple: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sensors.Add(0, sensor{Value: 20, Name: "cellar", Reset: func() error { *resets++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s, func(cfg *holdfast.Config) { cfg.Objects = []object.Object{sensors} }
}

// compositeIn makes a FETCH or an iPATCH of the root in a format.
func compositeIn(w *systemtest.Wire, method messages.CoAPCode, format messages.Format, body string) coap.Message {
	m := w.Request(method, "/")
	m.AddFormat(coap.ContentFormat, &format)
	m.Payload = []byte(body)
	return m
}

// Row 16: composites that nobody means well. Lists of paths without end are refused or
// cut off by the size of a body, one that names a thing a thousand times costs no more
// than the answer's limit, and what is wrong anywhere changes nothing.
func TestHostile16CompositesAreBoundedAndWhole(t *testing.T) {
	resets := 0
	s, serve := serving(t, &resets)
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		jsonF, cborF := messages.FormatSenMLJSON, messages.FormatSenMLCBOR
		deep := strings.Repeat("\x81", 900)
		for name, m := range map[string]coap.Message{
			"no payload":        compositeIn(w, messages.FETCH, jsonF, ""),
			"no paths":          compositeIn(w, messages.FETCH, jsonF, "[]"),
			"a value":           compositeIn(w, messages.FETCH, jsonF, `[{"n":"/3303/0","v":1}]`),
			"no path":           compositeIn(w, messages.FETCH, jsonF, `[{"n":"3303"}]`),
			"deep":              compositeIn(w, messages.FETCH, cborF, deep),
			"2^63 elements":     compositeIn(w, messages.FETCH, cborF, "\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"),
			"write nothing":     compositeIn(w, messages.IPATCH, jsonF, ""),
			"write an instance": compositeIn(w, messages.IPATCH, jsonF, `[{"n":"/3303/0","vs":"x"}]`),
			"half of a write":   compositeIn(w, messages.IPATCH, jsonF, `[{"n":"/3303/0/5750","vs":"attic"},{"n":"/3303/0/5602","v":101}]`),
			"twice":             compositeIn(w, messages.IPATCH, jsonF, `[{"n":"/3303/0/5602","v":1},{"n":"/3303/0/5602","v":2}]`),
		} {
			w.ExpectAnswer(name, m, messages.BadRequest)
		}
		w.ExpectAnswer("without a format", w.Request(messages.FETCH, "/"), messages.UnsupportedFormat)
		w.ExpectAnswer("object 0 beside another", compositeIn(w, messages.IPATCH, jsonF,
			`[{"n":"/3303/0/5750","vs":"attic"},{"n":"/0/0/0","vs":"coap://evil"}]`), messages.Unauthorized)
		if got := w.Ask(compositeIn(w, messages.FETCH, jsonF, `[{"n":"/"},{"n":"/0"},{"n":"/21"},{"n":"/0/0/5"}]`)); bytes.Contains(got.Payload, []byte(`"/0/`)) {
			t.Errorf("it reads %s", got.Payload)
		}
		if got := s.Get(); got.Name != "cellar" || got.Max != 0 {
			t.Errorf("%+v", got)
		}
		manyPaths(w)
		w.Client.ExpectQuiet()
		w.Finish()
	}, serve)
}

// manyPaths asks for so many paths that they, or what is read, are above a limit.
func manyPaths(w *systemtest.Wire) {
	w.T.Helper()
	for n, want := range map[int]messages.CoAPCode{1000: messages.Content, 10_000: messages.RequestEntityTooLarge} {
		body := "[" + strings.TrimSuffix(strings.Repeat(`{"n":"/3303/0/5700"},`, n), ",") + "]"
		r := lwm2mtest.Request{Method: messages.FETCH, Path: "/", Format: new(messages.FormatSenMLJSON), Payload: []byte(body)}
		got, err := w.Server.Do(context.Background(), systemtest.Endpoint, r)
		if err != nil || got.Code != want {
			w.T.Errorf("%d paths: %v, %v", n, got.Code, err)
		}
		if len(got.Payload) > 1<<16 {
			w.T.Errorf("%d paths: %d bytes", n, len(got.Payload))
		}
	}
}

// Row 25: attributes that are out of range, contradict each other or do not belong where
// they are written, and values of the Observe option that mean nothing, are refused or
// ignored, and nothing is observed.
func TestHostile25AttributesOutOfRange(t *testing.T) {
	resets := 0
	s, serve := serving(t, &resets)
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		for _, tt := range []struct {
			path  string
			query []string
			want  messages.CoAPCode
		}{
			{"/3303/0/5700", []string{"pmin=-1"}, messages.BadRequest},
			{"/3303/0/5700", []string{"pmax=4294967296"}, messages.BadRequest},
			{"/3303/0/5700", []string{"pmin=99999999999999999999"}, messages.BadRequest},
			{"/3303/0/5700", []string{"gt=NaN"}, messages.BadRequest},
			{"/3303/0/5700", []string{"st=-0.5"}, messages.BadRequest},
			{"/3303/0/5700", []string{"lt=9", "st=1", "gt=10"}, messages.BadRequest},
			{"/3303/0/5700", []string{"pmin=1", "pmin=2"}, messages.BadRequest},
			{"/3303/0/5700", []string{strings.Repeat("x", 250)}, messages.BadRequest},
			{"/3303/0", []string{"gt=1"}, messages.BadRequest},
			{"/3303", []string{"st=1"}, messages.BadRequest},
			{"/3303/0/5750", []string{"lt=1"}, messages.BadRequest},
			{"/3303/7/5700", []string{"pmin=1"}, messages.NotFound},
			{"/3303/0/9", []string{"pmin=1"}, messages.NotFound},
			{"/0/0/0", []string{"pmin=1"}, messages.Unauthorized},
		} {
			m := w.Request(messages.PUT, tt.path)
			m.AddStrings(coap.URIQuery, tt.query)
			w.ExpectAnswer(fmt.Sprint(tt.path, tt.query), m, tt.want)
		}
		for _, value := range []uint32{1, 2, 255, 1<<24 - 1} { // 1 ends what there is not
			m := w.Request(messages.GET, "/3303/0/5700")
			m.AddUint(coap.Observe, value)
			if got := w.Ask(m); got.Has(coap.Observe) {
				t.Errorf("Observe %d: %v", value, got)
			}
		}
		before := w.LastPacket()
		if err := s.Update(func(v *sensor) { v.Value = 30 }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := w.SentAfter(before); len(got) > 0 {
			t.Errorf("it tells %v", got)
		}
		w.Client.ExpectQuiet()
		w.Finish()
	}, serve)
}

// Row 26: a value that changes without end, for an observer without pmin: one
// confirmable notification is under way at a time, and the last value arrives.
func TestHostile26AFastSensorFloodsNobody(t *testing.T) {
	resets := 0
	s, serve := serving(t, &resets)
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		relation, _, err := w.Server.Observe(context.Background(), systemtest.Endpoint, "/3303/0/5700", messages.FormatText)
		if relation == nil || err != nil {
			t.Fatal(err)
		}
		relation.Ignore(true)
		synctest.Wait()
		before := w.LastPacket()
		for i := range 10_000 {
			if err := s.Update(func(v *sensor) { v.Value = float64(i) }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if sent := w.SentAfter(before); len(sent) > 5 {
			t.Errorf("%d notifications in 10 s, none of them acknowledged", len(sent))
		}
		relation.Ignore(false)
		time.Sleep(time.Minute)
		last := ""
		for len(relation.Notifications()) > 0 {
			last = string((<-relation.Notifications()).Payload)
		}
		if last != "9999" {
			t.Errorf("told %q last; %s", last, w.Client.Story())
		}
		w.Finish()
	}, serve)
}

// Row 7: a forged RST ends an observation only with the message ID of a notification
// that was sent, and ends nothing else.
func TestHostile07ForgedResetsOfNotifications(t *testing.T) {
	resets := 0
	s, serve := serving(t, &resets)
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		relation, _, err := w.Server.Observe(context.Background(), systemtest.Endpoint, "/3303/0/5700", messages.FormatText)
		if relation == nil || err != nil {
			t.Fatal(err)
		}
		before := w.LastPacket()
		if err := s.Update(func(v *sensor) { v.Value = 21 }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sent := w.SentAfter(before)
		if len(sent) != 1 {
			t.Fatalf("sent %v", sent)
		}
		for i := range uint16(3000) {
			w.Inject(w.Socket, systemtest.Encode(t, coap.Reset(sent[0].MID+1+i)))
		}
		synctest.Wait()
		time.Sleep(time.Minute) // what is not believed any more after guesses is again
		if err := s.Update(func(v *sensor) { v.Value = 22 }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		last := ""
		for len(relation.Notifications()) > 0 {
			last = string((<-relation.Notifications()).Payload)
		}
		if last != "22" {
			t.Errorf("told %q last", last)
		}
		w.Finish()
	}, serve)
}

// Row 37: Executes of the application's resource in a loop run it as often as they are
// asked for and no more: a repetition of the datagram runs nothing.
func TestHostile37ExecutesOfTheApplication(t *testing.T) {
	resets := 0
	_, serve := serving(t, &resets)
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		for i := range 200 {
			m := w.Request(messages.POST, "/3303/0/5605")
			data := systemtest.Encode(t, m)
			w.ExpectAnswer("execute", m, messages.Changed)
			w.Provoke(data, data)
			if resets != i+1 {
				t.Fatalf("%d resets after %d requests", resets, i+1)
			}
		}
		for _, arguments := range []string{"0,0", "10", "0='", "0='\"'", ",", "0=1"} {
			m := w.Request(messages.POST, "/3303/0/5605")
			m.AddFormat(coap.ContentFormat, new(messages.FormatText))
			m.Payload = []byte(arguments)
			w.ExpectAnswer(arguments, m, messages.BadRequest)
		}
		if resets != 200 {
			t.Errorf("%d resets", resets)
		}
		w.Finish()
	}, serve)
}

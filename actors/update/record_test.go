package update

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// FuzzRecord goes on from whatever makes sense as a record: the machine takes it, and what it
// writes then makes sense, too.
func FuzzRecord(f *testing.F) {
	first, err := encodeRecord(new(newRecord()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first)
	for phase := range phases {
		for _, face := range []string{"1", "2"} {
			seed := strings.Replace(string(first), `"Phase":0,"Face":0`, `"Phase":`+lwm2m.Integer(int64(phase)).String()+`,"Face":`+face+
				`,"Manifest":"Z29vZA==","Image":"1","URI":"`+imageURI+`","Hash":"`+strings.Repeat("A", 43)+`="`, 1)
			f.Add([]byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data)
		if err != nil {
			return
		}
		again, err := encodeRecord(&r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeRecord(again); err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		w := newWorld(t)
		w.record = data
		w.boot()
		w.register()
		w.pass(time.Hour)
		if _, err := decodeRecord(w.record); err != nil {
			t.Fatalf("%v: %s", err, w.record)
		}
	})
}

// A record with what cannot be is refused.
func TestRecordThatMakesNoSense(t *testing.T) {
	good, _ := encodeRecord(new(newRecord()))
	if _, err := decodeRecord(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"version":           {`"Version":1`, `"Version":2`},
		"unknown field":     {`"Version":1`, `"Version":1,"Later":1`},
		"phase":             {`"Phase":0`, `"Phase":99`},
		"no face":           {`"Phase":0`, `"Phase":4`},
		"no hash":           {`"Phase":0,"Face":0`, `"Phase":7,"Face":1`},
		"no manifest":       {`"Phase":0,"Face":0`, `"Phase":2,"Face":2`},
		"nothing shown":     {`"/5/0/3":0`, `"/5/0/4":0`},
		"too much shown":    {`"/5/0/3":0`, `"/5/0/3":0,"/5/0/4":0`},
		"report of nothing": {`"Hosts"`, `"Outbox":[{"Path":"/3/0/1","Value":1}],"Hosts"`},
		"unread nothing":    {`"Hosts"`, `"Unread":["x"],"Hosts"`},
		"something behind":  {`"Hosts":{}}`, `"Hosts":{}} {}`},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, good) {
			t.Errorf("%s: nothing to change in %s", name, good)
		}
		if _, err := decodeRecord(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// FuzzPackage sends any payload as a package, in blocks: it is refused, or its image is there.
func FuzzPackage(f *testing.F) {
	f.Add(uint16(42), []byte("image"))
	f.Add(uint16(60), []byte("\x45image"))
	f.Add(uint16(11542), []byte("\xc5\x00image"))
	f.Fuzz(func(t *testing.T, format uint16, payload []byte) {
		w := running(t)
		const size = 16
		for at := 0; at == 0 || at < len(payload); at += size {
			end := min(at+size, len(payload))
			w.input(messages.InboundBlock{
				Inbound: messages.Inbound{Peer: w.peer, Epoch: w.epoch, ID: uint64(at), ContentFormat: new(messages.Format(format)), Payload: payload[at:end]},
				Offset:  uint64(at), Next: end < len(payload),
			})
			if len(w.replies) > 0 {
				break
			}
		}
		if len(w.replies) != 1 {
			t.Fatalf("answered %+v", w.replies)
		}
		done := w.replies[0].Code == messages.Changed
		if phase := w.m.record.Phase; done && phase != Downloaded && phase != Idle || !done && phase == Downloaded {
			t.Fatalf("answered %+v in %s", w.replies, phase)
		}
		if w.m.record.Phase == Downloaded && !bytes.HasSuffix(payload, w.image.data) {
			t.Fatalf("the image is %q", w.image.data)
		}
	})
}

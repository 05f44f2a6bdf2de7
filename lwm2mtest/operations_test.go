package lwm2mtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// seenRequest is what an operation looks like to a client.
type seenRequest struct {
	Code           lwm2m.Code
	Path           string
	Query          []string
	Accept, Format *lwm2m.Format
	Payload        string
}

func TestOperationsOnTheWire(t *testing.T) {
	text, link, tlv := lwm2m.FormatText, lwm2m.FormatLinkFormat, lwm2m.FormatTLV
	json, cbor := lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR
	value := Content{Format: text, Payload: []byte("5")}
	type operation func(context.Context, *Server) (Response, error)
	for name, tc := range map[string]struct {
		do   operation
		want seenRequest
	}{
		"read": {func(ctx context.Context, s *Server) (Response, error) { return s.Read(ctx, "gw", "/3/0", tlv) },
			seenRequest{Code: lwm2m.CodeGET, Path: "3/0", Accept: &tlv}},
		"discover": {func(ctx context.Context, s *Server) (Response, error) { return s.Discover(ctx, "gw", "/3") },
			seenRequest{Code: lwm2m.CodeGET, Path: "3", Accept: &link}},
		"replace": {func(ctx context.Context, s *Server) (Response, error) {
			return s.Write(ctx, "gw", "/1/0/1", Replace, value)
		},
			seenRequest{Code: lwm2m.CodePUT, Path: "1/0/1", Format: &text, Payload: "5"}},
		"merge": {func(ctx context.Context, s *Server) (Response, error) {
			return s.Write(ctx, "gw", "/1/0", Merge, value)
		},
			seenRequest{Code: lwm2m.CodePOST, Path: "1/0", Format: &text, Payload: "5"}},
		"write nothing": {func(ctx context.Context, s *Server) (Response, error) {
			return s.Write(ctx, "gw", "/1/0/1", Replace, Content{})
		},
			seenRequest{Code: lwm2m.CodePUT, Path: "1/0/1", Format: &text}},
		"write attributes": {func(ctx context.Context, s *Server) (Response, error) {
			return s.WriteAttributes(ctx, "gw", "/3/0/9", "pmin=5", "pmax")
		},
			seenRequest{Code: lwm2m.CodePUT, Path: "3/0/9", Query: []string{"pmin=5", "pmax"}}},
		"execute": {func(ctx context.Context, s *Server) (Response, error) { return s.Execute(ctx, "gw", "/3/0/4", "") },
			seenRequest{Code: lwm2m.CodePOST, Path: "3/0/4"}},
		"execute with arguments": {func(ctx context.Context, s *Server) (Response, error) {
			return s.Execute(ctx, "gw", "/3/0/4", "0='1',2")
		},
			seenRequest{Code: lwm2m.CodePOST, Path: "3/0/4", Format: &text, Payload: "0='1',2"}},
		"create": {func(ctx context.Context, s *Server) (Response, error) { return s.Create(ctx, "gw", "/3303", value) },
			seenRequest{Code: lwm2m.CodePOST, Path: "3303", Format: &text, Payload: "5"}},
		"delete": {func(ctx context.Context, s *Server) (Response, error) { return s.Delete(ctx, "gw", "/3303/1") },
			seenRequest{Code: lwm2m.CodeDELETE, Path: "3303/1"}},
		"read composite": {func(ctx context.Context, s *Server) (Response, error) {
			return s.ReadComposite(ctx, "gw", json, "/3/0/0", "/1")
		},
			seenRequest{Code: lwm2m.CodeFETCH, Accept: &json, Format: &json, Payload: `[{"n":"/3/0/0"},{"n":"/1"}]`}},
		"read composite in CBOR": {func(ctx context.Context, s *Server) (Response, error) {
			return s.ReadComposite(ctx, "gw", cbor, "/3")
		},
			seenRequest{Code: lwm2m.CodeFETCH, Accept: &cbor, Format: &cbor, Payload: "\x81\xa1\x00\x62/3"}},
		"write composite": {func(ctx context.Context, s *Server) (Response, error) {
			return s.WriteComposite(ctx, "gw", Content{json, []byte("[]")})
		},
			seenRequest{Code: lwm2m.CodeIPATCH, Format: &json, Payload: "[]"}},
	} {
		t.Run(name, func(t *testing.T) {
			serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
				c := r.dial(5683)
				c.register("gw")
				seen := make(chan coap.Message, 1)
				go func() {
					m := c.next()
					seen <- m
					c.answerWith(m, lwm2m.CodeChanged, nil)
				}()
				if response, err := tc.do(t.Context(), r.server); err != nil || response.Code != lwm2m.CodeChanged {
					t.Errorf("answer %+v, %v", response, err)
				}
				if diff := cmp.Diff(tc.want, asSeen(<-seen)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func asSeen(m coap.Message) seenRequest {
	return seenRequest{
		Code: m.Code, Path: strings.Join(m.Path(), "/"), Query: m.Query(),
		Accept: m.Format(coap.Accept), Format: m.Format(coap.ContentFormat), Payload: string(m.Payload),
	}
}

func TestCreateTellsLocation(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.register("gw")
		go func() {
			request := c.next()
			m := coap.Message{Type: coap.ACK, Code: lwm2m.CodeCreated, MID: request.MID, Token: request.Token}
			m.AddStrings(coap.LocationPath, []string{"3303", "2"})
			c.send(m)
		}()
		response, err := r.server.Create(t.Context(), "gw", "/3303", Content{Format: lwm2m.FormatTLV})
		if err != nil || !slices.Equal(response.Location, []string{"3303", "2"}) {
			t.Errorf("answer %+v, %v", response, err)
		}
	})
}

// The later blocks of an answer have to be of the version that the first was of.
func TestBlocksOfDifferentVersions(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.register("gw")
		go func() {
			for i := range byte(2) {
				request := c.next()
				m := coap.Message{Type: coap.ACK, Code: lwm2m.CodeContent, MID: request.MID, Token: request.Token, Payload: make([]byte, 16)}
				m.AddOption(coap.ETag, []byte{i})
				m.AddBlock(coap.Block2, coap.Block{Num: uint32(i), More: i == 0})
				c.send(m)
			}
		}()
		if _, err := r.server.Read(t.Context(), "gw", "/3", lwm2m.FormatTLV); !errors.Is(err, ErrBlockwise) {
			t.Errorf("error %v", err)
		}
	})
}

func TestEncodeAndDecode(t *testing.T) {
	path := lwm2m.PathOf(1, 0, 1)
	node := lwm2m.Node{Path: path, Value: lwm2m.Integer(300)}
	for _, format := range []lwm2m.Format{lwm2m.FormatText, lwm2m.FormatTLV, lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR} {
		c, err := Encode(format, "/1/0/1", node)
		if err != nil || c.Format != format {
			t.Fatalf("format %d: %+v, %v", format, c, err)
		}
		got, err := Response{Format: &c.Format, Payload: c.Payload}.Decode("/1/0/1", objects.Core())
		if err != nil || !slices.Equal(got.Nodes, []lwm2m.Node{node}) {
			t.Errorf("format %d: %v, %v", format, got.Nodes, err)
		}
	}
	if _, err := Encode(lwm2m.FormatText, "1/0/1", node); err == nil {
		t.Error("a path without a slash")
	}
	var unfit *FormatError
	if _, err := (Response{Format: new(lwm2m.FormatLinkFormat)}).Decode("/1", nil); !errors.As(err, &unfit) || unfit.Format == nil {
		t.Errorf("link-format: %v", err)
	}
	if _, err := (Response{Code: lwm2m.CodeNotFound}).Decode("/1", nil); !errors.As(err, &unfit) || unfit.Code != lwm2m.CodeNotFound {
		t.Errorf("no format: %v", err)
	}
	var malformed *lwm2m.DecodeError
	if _, err := (Response{Format: new(lwm2m.FormatTLV), Payload: []byte{1}}).Decode("/1", nil); !errors.As(err, &malformed) {
		t.Errorf("half an entry: %v", err)
	}
}

func TestCompositesThatCannotBeAskedFor(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.dial(5683).register("gw")
		var path *lwm2m.PathError
		if _, err := r.server.ReadComposite(t.Context(), "gw", lwm2m.FormatSenMLJSON, "3/0"); !errors.As(err, &path) {
			t.Errorf("a path without a slash: %v", err)
		}
		var unfit *codec.FormatError
		if o, _, err := r.server.ObserveComposite(t.Context(), "gw", lwm2m.FormatTLV, "/3"); o != nil || !errors.As(err, &unfit) {
			t.Errorf("in TLV: %v", err)
		}
	})
}

func TestServerTakesSend(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		send := func(format lwm2m.Format, payload string) coap.Message {
			m := c.message(lwm2m.CodePOST, []string{"dp"}, nil, "")
			m.Payload = []byte(payload)
			m.AddFormat(coap.ContentFormat, &format)
			return c.ask(m)
		}
		data := `[{"bn":"/3/0/9","bt":1000000000,"v":55},{"t":60,"v":54}]`
		assertCode(t, send(lwm2m.FormatSenMLJSON, data), lwm2m.CodeNotFound)
		c.register("gw")
		assertCode(t, send(lwm2m.FormatSenMLJSON, data), lwm2m.CodeChanged)
		assertCode(t, send(lwm2m.FormatSenMLJSON, "data"), lwm2m.CodeBadRequest)
		assertCode(t, send(lwm2m.FormatTLV, ""), lwm2m.CodeUnsupportedFormat)
		r.server.Misbehave("gw", Send, 1, Behaviour{Answer: lwm2m.CodeServiceUnavailable})
		assertCode(t, send(lwm2m.FormatSenMLJSON, data), lwm2m.CodeServiceUnavailable)

		got := r.server.Requests("gw", Send)
		if len(got) != 4 || string(got[0].Payload) != data {
			t.Fatalf("records %+v", got)
		}
		sent, err := got[0].Samples(objects.Core())
		if err != nil || len(sent) != 2 {
			t.Fatalf("samples %v, %v", sent, err)
		}
		for i, value := range []int64{55, 54} {
			want := []lwm2m.Node{{Path: lwm2m.PathOf(3, 0, 9), Value: lwm2m.Integer(value)}}
			if !sent[i].At.Equal(time.Unix(1000000000+60*int64(i), 0)) || !slices.Equal(sent[i].Payload.Nodes, want) {
				t.Errorf("sample %d: %v", i, sent[i])
			}
		}
		var unfit *FormatError
		if _, err := got[2].Samples(nil); !errors.As(err, &unfit) {
			t.Errorf("TLV: %v", err)
		}
	})
}

// Queue mode is a parameter since 1.1 and a part of the binding in 1.0.
func TestQueueMode(t *testing.T) {
	for name, tc := range map[string]struct {
		version string
		query   []string
		queue   bool
	}{
		"1.1":         {"1.1", []string{"Q"}, true},
		"1.1 without": {"1.1", []string{"b=UQ"}, false},
		"1.0":         {"1.0", []string{"b=UQ"}, true},
		"1.0 without": {"1.0", []string{"b=U", "Q"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			serverBubble(t, ServerOptions{Location: NumberedLocation}, NoSec(), func(t *testing.T, r *rig) {
				c := r.dial(5683)
				m := c.message(lwm2m.CodePOST, []string{"rd"}, append([]string{"ep=gw", "lwm2m=" + tc.version}, tc.query...), links)
				assertCode(t, c.ask(m), lwm2m.CodeCreated)
				if reg, _ := r.server.Registration("gw"); reg.Queue != tc.queue {
					t.Errorf("registration %+v", reg)
				}
			})
		})
	}
}

func TestAwakeWindow(t *testing.T) {
	serverBubble(t, ServerOptions{Location: NumberedLocation}, NoSec(), func(t *testing.T, r *rig) {
		expect := func(want bool, wantUntil time.Time) {
			t.Helper()
			if awake, until := r.server.Awake("gw"); awake != want || !until.Equal(wantUntil) {
				t.Errorf("awake %v until %v, want %v, %v", awake, until, want, wantUntil)
			}
		}
		expect(false, time.Time{})
		c := r.dial(5683)
		c.register("gw", "Q")
		expect(true, r.start.Add(93*time.Second))
		time.Sleep(93*time.Second - time.Nanosecond)
		expect(true, r.start.Add(93*time.Second))
		time.Sleep(time.Nanosecond)
		expect(false, r.start.Add(93*time.Second))

		time.AfterFunc(time.Hour, func() { c.ask(c.message(lwm2m.CodePOST, []string{"rd", "1"}, nil, "")) })
		if err := r.server.WaitAwake(t.Context(), "gw"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(true, time.Now().Add(93*time.Second))
		c.register("gw")
		expect(true, time.Time{})
	})
}

package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a command asks of the client, and what is printed of the answer.
func TestCommands(t *testing.T) {
	senml := func(payload string) coap.Message { return content(lwm2m.FormatSenMLJSON, payload) }
	created := code(lwm2m.CodeCreated)
	created.AddStrings(coap.LocationPath, []string{"3303", "1"})
	for line, tc := range map[string]struct {
		answer coap.Message
		asked  string
		want   string
	}{
		"read gw /3/0/0": {senml(`[{"n":"/3/0/0","vs":"Acme"}]`), "GET /3/0/0 accept 110",
			`{"code":"2.05","command":"read","endpoint":"gw","format":"senml-json","name":"Content","path":"/3/0/0","value":"Acme"}`},
		"read /3/0/9 text": {content(lwm2m.FormatText, "0"), "GET /3/0/9 accept 0",
			`{"code":"2.05","command":"read","endpoint":"gw","format":"text","name":"Content","path":"/3/0/9","value":0}`},
		"read /3": {senml(`[{"bn":"/3/0/","n":"0","vs":"Acme"},{"n":"11/0","v":2},{"n":"13","v":60}]`), "GET /3 accept 110",
			`{"code":"2.05","command":"read","endpoint":"gw","format":"senml-json","name":"Content","path":"/3","value":{"0":{"0":"Acme","11":{"0":2},"13":"1970-01-01T00:01:00Z"}}}`},
		"read /3303 11542": {content(lwm2m.FormatTLV, "\x00\x02"), "GET /3303 accept 11542",
			`{"code":"2.05","command":"read","endpoint":"gw","format":"tlv","name":"Content","path":"/3303","value":{"2":{}}}`},
		"read /3303/0 tlv": {content(lwm2m.FormatTLV, "\xe2\x16\x44\xab\xcd\xe2\x16\x45Ce"), "GET /3303/0 accept 11542",
			`{"code":"2.05","command":"read","endpoint":"gw","format":"tlv","name":"Content","path":"/3303/0","value":{"5700":"hex:abcd","5701":"Ce"}}`},
		"read /3303/0/5700 text": {content(lwm2m.FormatText, "21.5"), "GET /3303/0/5700 accept 0",
			`{"code":"2.05","command":"read","endpoint":"gw","format":"text","name":"Content","path":"/3303/0/5700","value":21.5}`},
		"read /3303/0/6000 text": {content(lwm2m.FormatText, "21.5"), "GET /3303/0/6000 accept 0",
			`{"code":"2.05","command":"read","endpoint":"gw","format":"text","name":"Content","path":"/3303/0/6000","value":"21.5"}`},
		"read /3303/1 tlv": {content(lwm2m.FormatTLV, "\xe4\x16\x44\x41\xac\x00\x00\xe2\x16\x45Ce"), "GET /3303/1 accept 11542",
			`{"code":"2.05","command":"read","endpoint":"gw","format":"tlv","name":"Content","path":"/3303/1","value":{"5700":21.5,"5701":"Ce"}}`},
		"read-composite /3333/0 /3/0/13": {senml(`[{"n":"/3333/0/5506","v":60},{"n":"/3/0/13","v":60}]`), `FETCH / accept 110 format 110 [{"n":"/3333/0"},{"n":"/3/0/13"}]`,
			`{"code":"2.05","command":"read-composite","endpoint":"gw","format":"senml-json","name":"Content","path":"/3333/0 /3/0/13","value":{"/3/0/13":"1970-01-01T00:01:00Z","/3333/0/5506":"1970-01-01T00:01:00Z"}}`},
		"read /5": {coap.Message{Code: lwm2m.CodeNotFound, Payload: []byte("no such object")}, "GET /5 accept 110",
			`{"code":"4.04","command":"read","detail":"no such object","endpoint":"gw","name":"Not Found","path":"/5"}`},
		"discover /3/0": {content(lwm2m.FormatLinkFormat, "</3/0>;pmin=5,</3/0/0>"), "GET /3/0 accept 40",
			`{"code":"2.05","command":"discover","endpoint":"gw","format":"link","name":"Content","path":"/3/0","value":[{"attributes":{"pmin":"5"},"path":"/3/0"},{"path":"/3/0/0"}]}`},
		"write /1/0/1 300": {code(lwm2m.CodeChanged), `PUT /1/0/1 format 110 [{"bn":"/1/0/1","v":300}]`,
			`{"code":"2.04","command":"write","endpoint":"gw","name":"Changed","path":"/1/0/1"}`},
		"write /1/0 1=300 6=true": {code(lwm2m.CodeChanged), `POST /1/0 format 110 [{"bn":"/1/0/","n":"1","v":300},{"n":"6","vb":true}]`,
			`{"code":"2.04","command":"write","endpoint":"gw","name":"Changed","path":"/1/0"}`},
		"write /1/0/25 0=a 1=b": {code(lwm2m.CodeChanged), `POST /1/0/25 format 110 [{"bn":"/1/0/25/","n":"0","vs":"a"},{"n":"1","vs":"b"}]`,
			`{"code":"2.04","command":"write","endpoint":"gw","name":"Changed","path":"/1/0/25"}`},
		"write /3303/0/6000 0=8 3=text:5": {code(lwm2m.CodeChanged), `POST /3303/0/6000 format 110 [{"bn":"/3303/0/6000/","n":"0","v":8},{"n":"3","vs":"5"}]`,
			`{"code":"2.04","command":"write","endpoint":"gw","name":"Changed","path":"/3303/0/6000"}`},
		"write /3303/0/6000 text:0=8": {code(lwm2m.CodeChanged), `PUT /3303/0/6000 format 110 [{"bn":"/3303/0/6000","vs":"0=8"}]`,
			`{"code":"2.04","command":"write","endpoint":"gw","name":"Changed","path":"/3303/0/6000"}`},
		"replace /1/0 1=300": {code(lwm2m.CodeChanged), `PUT /1/0 format 110 [{"bn":"/1/0/","n":"1","v":300}]`,
			`{"code":"2.04","command":"replace","endpoint":"gw","name":"Changed","path":"/1/0"}`},
		`write /3/0/15 "Europe/Berlin \"x\""`: {code(lwm2m.CodeChanged), `PUT /3/0/15 format 110 [{"bn":"/3/0/15","vs":"Europe/Berlin \"x\""}]`,
			`{"code":"2.04","command":"write","endpoint":"gw","name":"Changed","path":"/3/0/15"}`},
		"attr /3/0/9 pmin=5 pmax": {code(lwm2m.CodeChanged), "PUT /3/0/9?pmin=5&pmax",
			`{"code":"2.04","command":"attr","endpoint":"gw","name":"Changed","path":"/3/0/9"}`},
		"exec /3/0/4": {code(lwm2m.CodeChanged), "POST /3/0/4",
			`{"code":"2.04","command":"exec","endpoint":"gw","name":"Changed","path":"/3/0/4"}`},
		"exec /3/0/4 0='10',2": {code(lwm2m.CodeChanged), "POST /3/0/4 format 0 0='10',2",
			`{"code":"2.04","command":"exec","endpoint":"gw","name":"Changed","path":"/3/0/4"}`},
		"create /3303 5700=2": {created, "POST /3303 format 11542 \xe4\x16\x44\x40\x00\x00\x00",
			`{"code":"2.01","command":"create","endpoint":"gw","location":"/3303/1","name":"Created","path":"/3303"}`},
		"create /3303 7 6000=2": {code(lwm2m.CodeCreated), "POST /3303 format 11542 \x04\x07\xe1\x17\x70\x02",
			`{"code":"2.01","command":"create","endpoint":"gw","name":"Created","path":"/3303"}`},
		"create /3303/7": {code(lwm2m.CodeCreated), "POST /3303 format 11542 \x00\x07",
			`{"code":"2.01","command":"create","endpoint":"gw","name":"Created","path":"/3303"}`},
		"delete /3303/2": {code(lwm2m.CodeDeleted), "DELETE /3303/2",
			`{"code":"2.02","command":"delete","endpoint":"gw","name":"Deleted","path":"/3303/2"}`},
		"update": {code(lwm2m.CodeChanged), "POST /1/0/8",
			`{"code":"2.04","command":"update","endpoint":"gw","name":"Changed","path":"/1/0/8"}`},
		"bootstrap gw": {code(lwm2m.CodeChanged), "POST /1/0/9",
			`{"code":"2.04","command":"bootstrap","endpoint":"gw","name":"Changed","path":"/1/0/9"}`},
		"read-composite /3/0/0 /3/0/11 /1": {senml(`[{"n":"/3/0/0","vs":"Acme"},{"n":"/3/0/11/0","v":0}]`), `FETCH / accept 110 format 110 [{"n":"/3/0/0"},{"n":"/3/0/11"},{"n":"/1"}]`,
			`{"code":"2.05","command":"read-composite","endpoint":"gw","format":"senml-json","name":"Content","path":"/3/0/0 /3/0/11 /1","value":{"/3/0/0":"Acme","/3/0/11":{"0":0}}}`},
		"write-composite /3/0/15=UTC /1/0/1=60": {code(lwm2m.CodeChanged), `iPATCH / format 110 [{"bn":"/","n":"1/0/1","v":60},{"n":"3/0/15","vs":"UTC"}]`,
			`{"code":"2.04","command":"write-composite","endpoint":"gw","name":"Changed","path":"/1/0/1 /3/0/15"}`},
	} {
		t.Run(line, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				g := b.gateway("gw", "192.0.2.9", links)
				g.will(tc.answer)
				b.wants(line, tc.want)
				if got := asLine(g.asked()); got != tc.asked {
					t.Errorf("asked %q, want %q", got, tc.asked)
				}
			})
		})
	}
}

// asLine is a request in one line.
func asLine(m coap.Message) string {
	methods := []string{"", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"}
	text := methods[m.Code] + " /" + strings.Join(m.Path(), "/")
	if query := m.Query(); len(query) > 0 {
		text += "?" + strings.Join(query, "&")
	}
	if f := m.Format(coap.Accept); f != nil {
		text += fmt.Sprintf(" accept %d", *f)
	}
	if f := m.Format(coap.ContentFormat); f != nil {
		text += fmt.Sprintf(" format %d %s", *f, m.Payload)
	}
	return text
}

// Mistakes are told in one line that says what to write, and nothing is sent.
func TestMistakes(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		fails := func(line, want string) {
			t.Helper()
			a := b.says(line)
			if !strings.Contains(a.Error, want) || strings.Contains(a.Error, "\n") || !a.Failed() {
				t.Errorf("%s: %q, want %q", line, a.Error, want)
			}
		}
		fails("read /3", "no client is registered: start one that uses this server")
		fails("read gw /3", `"gw" is not registered, and no other client is: start it`)
		g := b.gateway("gw-1", "192.0.2.9", links)
		seen := len(g.requests())
		for line, want := range map[string]string{
			"raed /3":                          `"raed" is not a command: help`,
			`read "/3`:                         "quote is not closed",
			"read":                             "missing: the usage is read [CLIENT] PATH [FORMAT]",
			"read gw-1":                        "missing: the usage is read",
			"read x /3":                        `"x" is not registered: choose one of gw-1`,
			"read 3/0":                         "a path begins with a slash, /3/0",
			"read /3/x":                        `"/3/x" is not a path: write up to four numbers`,
			"read /3 xml":                      `"xml" is not a format: write text, opaque`,
			"read /3 text more":                "too many words: the usage is read",
			"discover /3/0/6/0":                "is a resource instance (/3/0/6/0): write an object (/3), an instance (/3/0) or a resource (/3/0/0)",
			"write /3/0/15":                    "missing: the usage is write [CLIENT] PATH (VALUE | NUMBER=VALUE ...)",
			"write /1/0/1 abc":                 `Lifetime is an integer: write a whole number of 64 bits at most, such as -5, not "abc"`,
			"write /1/0/6 yes":                 "Storing When Disabled or Offline is a boolean: write true or false",
			"write /3/0/13 noon":               "Current Time is a time: write now, 2026-01-31T12:00:00Z",
			"write /3303/0/5700 hex:abc":       `"abc" is not an even number of hexadecimal digits`,
			"write /3303/0/5700 int:abc":       `write a whole number of 64 bits at most, such as -5, not "abc"`,
			"write /3/0/15 two words":          "takes one value: put double quotes around a value with blanks",
			"write /1/0 1":                     `"1": write NUMBER=VALUE`,
			"write /1/0 1=2 1=3":               "/1/0/1 has two values",
			"write /1/0/25 a":                  `"a": write NUMBER=VALUE, such as 0=21.5`,
			"read /3/65535":                    `"/3/65535" is not a path: write up to four numbers from 0 to 65534`,
			strings.Repeat("x", 99):            `xxx..." is not a command: help lists them`,
			"write /3 0=1":                     "is an object (/3): write an instance",
			"replace /1/0":                     "missing: the usage is replace",
			"attr /3/0/9":                      "missing: the usage is attr",
			"attr /3/0/9 min=5":                `"min" is not an attribute: write one of pmin,`,
			"attr /3/0/9 pmin=":                "pmin has no value: write pmin=5, or pmin alone",
			"exec /3/0/4 x":                    `"x" cannot be sent as arguments: write digits`,
			"exec /3/0":                        "is an instance (/3/0): write a resource",
			"create /3303 70000 1=1":           `"70000" is not an ID`,
			"delete /3303":                     "is an object (/3): write an instance",
			"read-composite":                   "missing: the usage is read-composite",
			"write-composite /3/0=1":           `"/3/0=1": write PATH=VALUE`,
			"write-composite":                  "missing: the usage is write-composite",
			"observe /3 colour=red":            `"colour" is not an attribute`,
			"update gw-1 now":                  "too many words: the usage is update",
			"clients all":                      "too many words: the usage is clients",
			"help raed":                        `"raed" is not a command`,
			"help read write":                  "too many words: the usage is help",
			"quit now":                         "too many words: the usage is quit",
			"write /1/0/1 9223372036854775808": `of 64 bits at most`,
		} {
			fails(line, want)
		}
		b.wants("write /1/0 1=2 1=3", `{"command":"write","endpoint":"gw-1","error":"/1/0/1 has two values","path":"/1/0"}`)
		if a := b.says(`read "/3`); a.Command != "read" {
			t.Errorf("a quote that is not closed: %+v", a)
		}
		fails("cancel /3/0/9", "nothing of this client is observed")
		if len(g.requests()) != seen {
			t.Errorf("asked %v", g.requests()[seen:])
		}
		b.gateway("gw-2", "192.0.2.10", links)
		fails("read /3", "several clients are registered, so name one: gw-1, gw-2")
		fails("read gw /3", `"gw" could be gw-1, gw-2`)
		b.gateway("a b", "192.0.2.11", links)
		fails("read x /3", `choose one of "a b", gw-1, gw-2`)
		for _, line := range []string{"", "   ", "# a remark"} {
			b.Do(line)
		}
		if got := b.printed(); len(got) != 0 || b.quitted() != 0 {
			t.Errorf("printed %+v, %d times quit", got, b.quitted())
		}
	})
}

// An exact name counts before one that it begins.
func TestAbbreviation(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for i, endpoint := range []string{"gw", "gw-1", "other client", "/odd"} {
			b.gateway(endpoint, fmt.Sprintf("192.0.2.%d", 10+i), links)
		}
		for typed, want := range map[string]string{"gw": "gw", "gw-": "gw-1", "o": "other client", `"other client"`: "other client", "/odd": "/odd"} {
			b.Do("read " + typed + " /3")
			synctest.Wait()
			time.Sleep(timeToAnswer)
			if got := b.printed(); len(got) != 1 || got[0].Endpoint != want || got[0].Path != "/3" {
				t.Errorf("%s: %+v", typed, got)
			}
		}
	})
}

func TestValuesByWhatTheyLookLike(t *testing.T) {
	b := &Console{}
	path := lwm2m.PathOf(3303, 0, 6000)
	for text, want := range map[string]lwm2m.Value{
		"5": lwm2m.Integer(5), "-5": lwm2m.Integer(-5), "18446744073709551615": lwm2m.Unsigned(1<<64 - 1),
		"21.5": lwm2m.Float(21.5), "1e3": lwm2m.Float(1000), "NaN": lwm2m.String("NaN"), "0x10": lwm2m.String("0x10"), "Infinity": lwm2m.String("Infinity"),
		"true": lwm2m.Boolean(true), "on": lwm2m.String("on"), "": lwm2m.String(""), "http://x": lwm2m.String("http://x"),
		"text:5": lwm2m.String("5"), "int:5": lwm2m.Integer(5), "uint:5": lwm2m.Unsigned(5), "float:5": lwm2m.Float(5),
		"bool:1": lwm2m.Boolean(true), "bool:0": lwm2m.Boolean(false), "hex:0a1b": lwm2m.Opaque([]byte{0x0a, 0x1b}), "base64:Chs=": lwm2m.Opaque([]byte{0x0a, 0x1b}),
		"time:60": lwm2m.Time(time.Unix(60, 0)), "time:1970-01-01T00:01:00Z": lwm2m.Time(time.Unix(60, 0)), "link:3303:1": lwm2m.ObjectLink(3303, 1),
		"corelink:</3>": lwm2m.CoreLink("</3>"),
	} {
		if got, err := b.parseValue(path, text); err != nil || got != want {
			t.Errorf("%q: %#v, %v; want %#v", text, got, err, want)
		}
	}
}

func TestClientsCommand(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.wants("clients", `{"command":"clients","detail":"nobody is registered","value":[]}`)
		b.gateway("gw", "192.0.2.9", links, "lt=300", "Q")
		a := b.says("clients")
		_, table := a.Text()
		if want := []string{"gw  LwM2M 1.1  lifetime 5m  192.0.2.9:49152  awake until 00:01:33  /1/0 /3/0 /3303/0 /3303/2"}; !slices.Equal(table, want) {
			t.Errorf("table %q", table)
		}
		got := a.Value.([]registered)[0]
		if got.Endpoint != "gw" || got.Lifetime != 300 || !got.Queue || !got.Awake || !slices.Equal(got.Objects, []string{"/1/0", "/3/0", "/3303/0", "/3303/2"}) {
			t.Errorf("value %+v", got)
		}
	})
}

// A client with many instances fits on a line; JSON has all of them.
func TestClientWithManyInstances(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.gateway("gw", "192.0.2.9", `</1/0>,</5>,</3303/0>,</3303/1>,</3303/2>,</3303/3>,</3303/4>`)
		a := b.says("clients")
		_, table := a.Text()
		if len(table) != 1 || !strings.HasSuffix(table[0], "  /1/0 /5 /3303 (5 instances)") {
			t.Errorf("table %q", table)
		}
		if got := a.Value.([]registered)[0].Objects; len(got) != 7 {
			t.Errorf("value %q", got)
		}
	})
}

// The table of an answer has names; what is not defined has none.
func TestTables(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		g := b.gateway("gw", "192.0.2.9", links)
		g.will(content(lwm2m.FormatSenMLJSON, `[{"bn":"/3/0/","n":"0","vs":"Acme"},{"n":"11/0","v":2},{"n":"99","vd":"AAE"}]`))
		line, table := b.says("read /3/0").Text()
		if want := "gw /3/0: 2.05 Content"; line != want {
			t.Errorf("line %q, want %q", line, want)
		}
		want := []string{"/3/0/0     Manufacturer  Acme", "/3/0/11/0  Error Code 0  2", "/3/0/99                  hex:0001"}
		if !slices.Equal(table, want) {
			t.Errorf("table %q, want %q", table, want)
		}
		g.will(content(lwm2m.FormatSenMLJSON, `[{"bn":"/3303/0/","n":"5700","v":21.5},{"n":"5518","v":60},{"n":"6000","v":1}]`))
		_, table = b.says("read /3303/0").Text()
		want = []string{"/3303/0/5700  Sensor Value  21.5", "/3303/0/5518  Timestamp     1970-01-01T00:01:00Z", "/3303/0/6000                1"}
		if !slices.Equal(table, want) {
			t.Errorf("table of reusable resources %q, want %q", table, want)
		}
		g.will(coap.Message{Code: lwm2m.CodeMethodNotAllowed, Payload: []byte("read only")})
		if line, _ := b.says("write /3/0/0 x").Text(); line != "gw /3/0/0: 4.05 Method Not Allowed - read only" {
			t.Errorf("line %q", line)
		}
		if line, table := b.says("help read").Text(); line != "" || len(table) != 2 || !strings.HasPrefix(table[0], "read [CLIENT] PATH [FORMAT]  values") {
			t.Errorf("help: %q, %q", line, table)
		}
		if _, table := b.says("help").Text(); len(table) != len(commandTable()) {
			t.Errorf("help: %q", table)
		}
	})
}

// Commands to one client are carried out in order, those to another at the same time; and one
// that is not answered ends.
func TestCommandsOfSeveralClients(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		silent, talkative := b.gateway("silent", "192.0.2.9", links), b.gateway("talkative", "192.0.2.10", links)
		before := len(silent.requests())
		start := time.Now()
		b.Do("read silent /3")
		b.Do("read silent /1")
		talkative.will(code(lwm2m.CodeNotFound))
		b.wants("read talkative /3", `{"code":"4.04","command":"read","endpoint":"talkative","name":"Not Found","path":"/3"}`)
		if got := len(silent.requests()) - before; got != 1 {
			t.Errorf("%d requests at once", got)
		}
		var got []Answer
		for len(got) == 0 {
			time.Sleep(time.Second)
			got = b.printed()
		}
		if len(got) != 1 || got[0].Path != "/3" || !strings.HasPrefix(got[0].Error, "no answer: ") || got[0].Time.Sub(start) > 93*time.Second {
			t.Errorf("printed %+v", got)
		}
		silent.will(code(lwm2m.CodeNotFound))
		time.Sleep(timeToAnswer)
		if got := b.printed(); len(got) != 1 || got[0].Path != "/1" || got[0].Code != "4.04" {
			t.Errorf("printed %+v", got)
		}
	})
}

func TestTooManyCommands(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.gateway("gw", "192.0.2.9", links)
		for range mostPending {
			b.Do("read /3")
		}
		a := b.says("read /3")
		if !strings.Contains(a.Error, "1024 commands are waiting") || a.Endpoint != "gw" {
			t.Errorf("answer %+v", a)
		}
	})
}

// A client in queue mode gets nothing while it sleeps.
func TestSleepingClient(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		g := b.gateway("gw", "192.0.2.9", links, "lt=300", "Q")
		location := strings.Split(g.location(), "/")
		time.Sleep(100 * time.Second)
		seen := len(g.requests())
		b.wants("read /3", `{"command":"read","detail":"asleep since 00:01:33; this will be sent when it wakes","endpoint":"gw","path":"/3","type":"waiting"}`)
		time.Sleep(100 * time.Second)
		if len(g.requests()) != seen {
			t.Errorf("a sleeping client was asked")
		}
		g.will(code(lwm2m.CodeNotFound))
		g.request(location, nil, "")
		if got := b.printed(); len(got) != 1 || got[0].Code != "4.04" {
			t.Errorf("printed %+v", got)
		}

		time.Sleep(100 * time.Second)
		b.says("read /3")
		time.Sleep(300 * time.Second) // the registration ends
		if got := b.printed(); len(got) != 1 || got[0].Error != "the client is not registered any more" {
			t.Errorf("printed %+v", got)
		}
	})
}

func (g *gateway) location() string {
	r, _ := g.b.server.Registration("gw")
	return strings.Join(r.Location, "/")
}

// What a client sends by itself is shown with its times.
func TestSent(t *testing.T) {
	c := &Console{registry: objects.Core()}
	r := lwm2mtest.Record{
		Kind: lwm2mtest.Send, Time: time.Unix(2000000000, 0), Format: new(lwm2m.FormatSenMLJSON),
		Payload: []byte(`[{"bn":"/3/0/9","bt":1000000000,"v":55},{"t":60,"v":54}]`),
	}
	value, table := c.Sent(r)
	if got := string(must(json.Marshal(value))(t)); got != `[{"time":"2001-09-09T01:46:40Z","value":{"/3/0/9":55}},{"time":"2001-09-09T01:47:40Z","value":{"/3/0/9":54}}]` {
		t.Errorf("value %s", got)
	}
	want := []string{"/3/0/9  Battery Level  55 %  at 2001-09-09T01:46:40Z", "/3/0/9  Battery Level  54 %  at 2001-09-09T01:47:40Z"}
	if !slices.Equal(table, want) {
		t.Errorf("table %q", table)
	}
	r.Payload = []byte("[")
	if value, table := c.Sent(r); value != "[" || len(table) != 1 {
		t.Errorf("what is malformed: %v, %q", value, table)
	}
}

// Units and names come from the definitions that there are.
func TestUnits(t *testing.T) {
	def := lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 5700, Name: "Sensor Value", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead, Details: &lwm2m.Details{Units: "Cel"}},
	}}
	c := &Console{registry: lwm2m.NewRegistry(def)}
	path := lwm2m.PathOf(3303, 0)
	r := lwm2mtest.Response{Format: new(lwm2m.FormatSenMLJSON), Payload: []byte(`[{"n":"/3303/0/5700","v":21}]`)}
	value, rows := c.content(path, r)
	if got := string(must(json.Marshal(value))(t)); got != `{"5700":21}` || !slices.Equal(rows[0], []string{"/3303/0/5700", "Sensor Value", "21 Cel"}) {
		t.Errorf("value %s, rows %q", got, rows)
	}
	if v, err := c.parseValue(path.Child(5700), "21"); err != nil || v != lwm2m.Float(21) {
		t.Errorf("typed %#v, %v", v, err)
	}
}

// The process ends by it, and what has not been printed by then never is.
func TestQuitIsAnsweredFirst(t *testing.T) {
	var order []string
	c := New(Options{
		Print: func(a Answer) { order = append(order, a.Command) },
		Quit:  func() { order = append(order, "the end") },
	})
	c.Do("quit")
	c.Close()
	if want := []string{"quit", "the end"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
}

func TestQuitWaitsForAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.gateway("gw", "192.0.2.9", links)
		b.Do("read /3")
		b.wants("quit", `{"command":"quit","detail":"waiting for the answer to 1 command; quit again to end now"}`)
		time.Sleep(timeToAnswer)
		if got := b.printed(); len(got) != 1 || b.quitted() != 1 {
			t.Errorf("printed %+v, %d times quit", got, b.quitted())
		}
		b.Do("read /3")
		b.says("quit")
		if b.quitted() != 2 {
			t.Errorf("%d times quit", b.quitted())
		}
	})
}

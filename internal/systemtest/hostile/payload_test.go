package hostile_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// Row 13: TLV whose lengths, nesting or identifiers are wrong is answered 4.00,
// and nothing of it is applied.
func TestHostile13BrokenTLVIsRefusedWhole(t *testing.T) {
	refusedWrites(t, "/1/0", messages.FormatTLV, map[string]string{
		"length beyond the input":           "\xc4\x01\x00",
		"length of 16 MiB":                  "\xd8\x01\xff\xff\xff\x3c",
		"length field cut short":            "\xd0\x01\x00",
		"identifier cut short":              "\xe1\x00",
		"instance within an instance":       "\x08\x00\x05\x08\x01\x02\xc0\x01",
		"resource instance at the top":      "\x41\x00\x3c",
		"empty integer":                     "\xc0\x01",
		"integer of three bytes":            "\xc3\x01\x00\x00\x3c",
		"boolean of two bytes":              "\xc2\x06\x00\x01",
		"boolean of 2":                      "\xc1\x06\x02",
		"resource twice":                    "\xc1\x01\x3c\xc1\x01\x3d",
		"resource 65535":                    "\xe1\xff\xff\x3c",
		"trailing byte":                     "\xc1\x01\x3c\xc1",
		"another instance":                  "\x03\x01\xc1\x01\x3c",
		"multiple where one is":             "\x83\x01\x41\x00\x3c",
		"a good value before a bad one":     "\xc1\x01\x3c\xc1\x06\x02",
		"lifetime 0x80...":                  "\xc8\x01\x08\x80\x00\x00\x00\x00\x00\x00\x00",
		"100 levels":                        strings.Repeat("\x08\x00\xff", 100),
		"thousands of entries":              strings.Repeat("\xe0\x10\x00", 5000),
		"resource instances out of nothing": "\x80\x01\xc1",
	})
}

// Row 14: CBOR bombs are answered 4.00.
func TestHostile14BrokenCBORIsRefusedWhole(t *testing.T) {
	record := "\xa2\x00\x66/1/0/1\x02"
	refusedWrites(t, "/1/0", messages.FormatSenMLCBOR, map[string]string{
		"depth bomb":               "\x81\xa1\x18\x63" + strings.Repeat("\x81", 1000) + "\x01",
		"array of 2^64-1":          "\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
		"array of 2^31":            "\x9a\x80\x00\x00\x00",
		"map of 2^31":              "\x81\xba\x80\x00\x00\x00",
		"text of 2^63":             "\x81\xa1\x00\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
		"bytes of 4 GiB":           "\x81\xa1\x08\x5a\xff\xff\xff\xff",
		"array without break":      "\x9f" + record + "\x18\x3c",
		"text without break":       "\x81\xa1\x00\x7f\x61/",
		"nested tags":              "\x81\xa1\x02" + strings.Repeat("\xc1", 1000) + "\x01",
		"NaN for an integer":       "\x81" + record + "\xf9\x7e\x00",
		"infinity for an integer":  "\x81" + record + "\xf9\x7c\x00",
		"half for an integer":      "\x81" + record + "\xf9\x38\x00",
		"key twice":                "\x81\xa3\x00\x66/1/0/1\x02\x18\x3c\x02\x18\x3d",
		"bignum":                   "\x81" + record + "\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"second item":              "\x80\x80",
		"garbage":                  "\xff",
		"nothing":                  "",
		"null":                     "\xf6",
		"no UTF-8":                 "\x81\xa2\x00\x66/1/0/\xff\x02\x18\x3c",
		"negative lifetime":        "\x81" + record + "\x20",
		"field to be understood":   "\x81\xa3\x00\x66/1/0/1\x02\x18\x3c\x62x_\x01",
		"20,000 records":           "\x99\x4e\x20" + strings.Repeat("\xa0", 20000),
		"good record before a bad": "\x82" + record + "\x18\x3c" + record + "\x20",
	})
}

// Row 15: broken JSON is answered 4.00.
func TestHostile15BrokenJSONIsRefusedWhole(t *testing.T) {
	refusedWrites(t, "/1/0", messages.FormatSenMLJSON, map[string]string{
		"depth":                    strings.Repeat("[", 50000),
		"depth in a field":         `[{"n":"/1/0/1","v":60,"x":` + strings.Repeat(`{"x":`, 5000),
		"1e400":                    `[{"n":"/1/0/1","v":1e400}]`,
		"exponent of 20 digits":    `[{"n":"/1/0/1","v":1e99999999999999999999}]`,
		"member twice":             `[{"n":"/1/0/1","v":60,"v":61}]`,
		"member twice, escaped":    `[{"n":"/1/0/1","v":60,"\u0076":61}]`,
		"no UTF-8":                 "[{\"n\":\"/1/0/1\",\"v\":60,\"x\":\"\xff\"}]",
		"lone surrogate":           `[{"n":"/1/0/7","vs":"\ud800"}]`,
		"string of 60 KiB":         `[{"n":"/1/0/` + strings.Repeat("1", 60000) + `","v":60}]`,
		"field to be understood":   `[{"n":"/1/0/1","v":60,"x_":1}]`,
		"version 11":               `[{"bver":11,"n":"/1/0/1","v":60}]`,
		"base value":               `[{"bv":1,"n":"/1/0/1","v":60}]`,
		"padded base64":            `[{"n":"/1/0/1","vd":"AQ=="}]`,
		"null":                     `null`,
		"nothing":                  ``,
		"20,000 records":           `[{}` + strings.Repeat(",{}", 20000) + `]`,
		"negative lifetime":        `[{"n":"/1/0/1","v":-1}]`,
		"good record before a bad": `[{"n":"/1/0/1","v":60},{"n":"/1/0/6","vb":1}]`,
	})
}

// Row 15: a payload above the limit of 64 KiB is not parsed at all, whatever
// its format.
func TestHostile15OversizedPayloadIsNotParsed(t *testing.T) {
	for _, format := range []messages.Format{messages.FormatTLV, messages.FormatSenMLCBOR, messages.FormatSenMLJSON} {
		t.Run(strconv.Itoa(int(format)), func(t *testing.T) {
			hostileBootstrap(t, func(t *testing.T, w *systemtest.World, c *systemtest.Client, cfg holdfast.Config) {
				before := w.Durable(cfg)
				result := bootstrapAgain(w, lwm2mtest.BootstrapConfig{KeepGoing: true, NoFinish: true, Writes: []lwm2mtest.BootstrapWrite{
					{Path: "/1/0", Format: &format, Payload: make([]byte, 10<<20)},
				}})
				if code := result.Steps[0].Response.Code; code != messages.RequestEntityTooLarge {
					t.Errorf("answered %v", code)
				}
				keepsItsAccount(w, c, cfg, before, holdfast.CodeMemory)
			})
		})
	}
}

// Row 16: names of SenML that leave the target, in whatever way, packs of many
// records and records with several values are answered 4.00.
func TestHostile16NamesStayWithinTheTarget(t *testing.T) {
	refusedWrites(t, "/1/0", messages.FormatSenMLJSON, map[string]string{
		"outside the target":     `[{"n":"/1/1/1","v":60}]`,
		"another object":         `[{"n":"/0/0/0","vs":"coaps://192.0.2.66"}]`,
		"base climbs":            `[{"bn":"/1/0/../../","n":"0/0/0","vs":"x"}]`,
		"base climbs, escaped":   `[{"bn":"/1/0/%2e%2e/","n":"1","v":60}]`,
		"base climbs, in JSON":   `[{"bn":"/1/0/\u002e\u002e/","n":"1","v":60}]`,
		"relative":               `[{"n":"1/0/1","v":60}]`,
		"base of another record": `[{"bn":"/0/0/"},{"n":"0","vs":"x"}]`,
		"empty segment":          `[{"bn":"/1/0/","n":"/1","v":60}]`,
		"leading zero":           `[{"n":"/1/0/01","v":60}]`,
		"ID 65535":               `[{"n":"/1/0/65535","v":60}]`,
		"five segments":          `[{"n":"/1/0/1/0/0","v":60}]`,
		"value of the instance":  `[{"n":"/1/0","v":60}]`,
		"two values":             `[{"n":"/1/0/1","v":60,"vs":"60"}]`,
		"path twice":             `[{"n":"/1/0/1","v":60},{"bn":"/1/0/","n":"1","v":61}]`,
		"10,000 records":         "[" + strings.Repeat("{},", 10000) + "{}]",
	})
	refusedWrites(t, "/1/0", messages.FormatSenMLCBOR, map[string]string{
		"outside the target": "\x81\xa2\x00\x66/1/1/1\x02\x18\x3c",
		"base climbs":        "\x81\xa3\x21\x6a/1/0/../../\x00\x650/0/0\x03\x61x",
		"two values":         "\x81\xa3\x00\x66/1/0/1\x02\x18\x3c\x03\x61x",
		"20,000 records":     "\x99\x4e\x20" + strings.Repeat("\xa0", 20000),
	})
}

// Row 17: names for which a file system or a web server would go elsewhere are
// no paths of the object model.
func TestHostile17PathsAreNumbersOnly(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		for _, segments := range [][]string{
			{".."}, {"..", "etc", "passwd"}, {"3", "..", "0"}, {"3", ".", "0"}, {"%2e%2e"}, {"%33"}, {"3", "%30"},
			{"3/0/0"}, {"3", "0/0"}, {"3", ""}, {"", "3"}, {"3", "0", ""}, {"+3"}, {"-3"}, {"03"}, {" 3"}, {"3 "},
			{"0x3"}, {"3\x00"}, {"٣"}, {"65535"}, {"65539"}, {"18446744073709551619"}, {"3", "65536"},
			{".well-known", "core"}, {"rd"}, {"bs", "3"}, {strings.Repeat("3", 255)}, {"1", "2", "3", "4", "5"},
		} {
			for _, method := range []messages.CoAPCode{messages.GET, messages.PUT, messages.POST, messages.DELETE} {
				m := w.Request(method, "")
				m.AddStrings(11, segments)
				w.ExpectAnswer(strings.Join(segments, " "), m, messages.BadRequest, messages.NotFound)
			}
		}
		long := w.Request(messages.GET, "/3/0/0")
		for range 9 {
			long.AddString(15, strings.Repeat("q", 200))
		}
		w.ExpectAnswer("1800 bytes of query", long, messages.Content, messages.BadRequest)
		w.Client.ExpectQuiet()
		w.Finish()
	})
}

// Row 17: the answer to a Discover and the Register are links of numbers,
// whatever the configuration says.
func TestHostile17LinksHoldNothingOfTheConfiguration(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		m := w.Request(messages.GET, "/3")
		m.AddUint(17, 40)
		if got := w.Ask(m); strings.Contains(string(got.Payload), "/0/0/5") || got.Code != messages.Content {
			t.Errorf("%v %s", got.Code, got.Payload)
		}
		r, _ := w.Server.Registration(systemtest.Endpoint)
		if strings.Contains(string(r.Objects), "</0") {
			t.Errorf("announced %s", r.Objects)
		}
		w.Finish()
	}, func(cfg *holdfast.Config) {
		cfg.Device.Model, cfg.Device.Serial = `x",</0/0/5>;x="`, "</0>"
	})
}

package gateway

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// fakeBus is a message bus with a ModemManager that has one modem.
type fakeBus struct {
	t  *testing.T
	mu sync.Mutex
	// hangs is the last thing that it does not do any more: "AUTH", or a method.
	hangs   string
	absent  bool // there is no ModemManager
	modem   map[string]properties
	bearers map[dbus.ObjectPath]properties
	answers map[string][]any // of methods of the modem; what is missing is refused
	calls   []string
	open    int // connections
}

const (
	modemPath  = mmPath + "/Modem/0"
	bearerPath = mmPath + "/Bearer/1"
)

// dial connects to the bus.
func (b *fakeBus) dial(context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	b.count(1)
	go func() {
		defer b.count(-1)
		defer func() { _ = server.Close() }()
		b.serve(server)
	}()
	return client, nil
}

func (b *fakeBus) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open += n
}

// serve greets (D-Bus Specification, Authentication Protocol), and answers until the
// connection ends.
func (b *fakeBus) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	for _, answer := range []string{"REJECTED EXTERNAL\r\n", "OK 0123456789abcdef0123456789abcdef\r\n", ""} {
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
		if b.stuck("AUTH") {
			_, _ = io.Copy(io.Discard, in) // until the other side gives up
			return
		}
		_, _ = io.WriteString(conn, answer)
	}
	for {
		msg, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		if body, name := b.answer(msg); name != "" || body != nil {
			_ = reply(msg, body, name).EncodeTo(conn, binary.LittleEndian)
		}
	}
}

func (b *fakeBus) stuck(at string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hangs == at
}

func reply(to *dbus.Message, body []any, refused string) *dbus.Message {
	m := &dbus.Message{Type: dbus.TypeMethodReply, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(to.Serial()),
	}}
	if refused != "" {
		m.Type, m.Headers[dbus.FieldErrorName] = dbus.TypeError, dbus.MakeVariant(refused)
	}
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	return m
}

// answer is what a call gets: a body, or the name of an error; neither when it hangs.
func (b *fakeBus) answer(msg *dbus.Message) (body []any, refused string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	method := msg.Headers[dbus.FieldInterface].Value().(string) + "." + msg.Headers[dbus.FieldMember].Value().(string)
	path := msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	b.calls = append(b.calls, method)
	if msg.Flags&dbus.FlagNoAutoStart == 0 && method != "org.freedesktop.DBus.Hello" {
		b.t.Errorf("%s would start the service", method)
	}
	switch {
	case method == b.hangs:
		return nil, ""
	case method == "org.freedesktop.DBus.Hello":
		return []any{":1.7"}, ""
	case b.absent:
		return nil, "org.freedesktop.DBus.Error.NameHasNoOwner"
	case method == "org.freedesktop.DBus.ObjectManager.GetManagedObjects" && path == mmPath:
		return []any{b.objects()}, ""
	case method == "org.freedesktop.DBus.Properties.GetAll" && b.bearers[path] != nil:
		return []any{b.bearers[path]}, ""
	case b.answers[method] != nil && path == modemPath:
		return b.answers[method], ""
	}
	return nil, "org.freedesktop.ModemManager1.Error.Core.Unauthorized"
}

func (b *fakeBus) objects() map[dbus.ObjectPath]map[string]properties {
	if b.modem == nil {
		return map[dbus.ObjectPath]map[string]properties{}
	}
	return map[dbus.ObjectPath]map[string]properties{modemPath: b.modem}
}

// change changes the bus between two questions.
func (b *fakeBus) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// asked returns how often a method was called, and forgets it.
func (b *fakeBus) asked(method string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rest := b.calls[:0]
	for _, c := range b.calls {
		if c == method {
			n++
			continue
		}
		rest = append(rest, c)
	}
	b.calls = rest
	return n
}

type port struct {
	Name string
	Kind uint32
}

func v(value any) dbus.Variant { return dbus.MakeVariant(value) }

// newFakeBus has a modem in LTE, with what ModemManager 1.20 says of one: the types are
// those of its introspection data.
func newFakeBus(t *testing.T) *fakeBus {
	return &fakeBus{
		t: t,
		modem: map[string]properties{
			mmModem: {
				"State": v(int32(11)), "AccessTechnologies": v(uint32(techLTE & (1 << 14))),
				"CurrentBands": v([]uint32{31, 33, 70}), // E-UTRAN 1, 3 and 40
				"Bearers":      v([]dbus.ObjectPath{bearerPath, bearerPath + "0"}),
				"Ports":        v([]port{{"ttyUSB2", 3}, {"wwan0", portNet}, {"cdc-wdm0", 6}}),
			},
			mm3GPP: {"OperatorCode": v("26201")},
			mmSignal: {
				"Rate": v(uint32(30)), "RssiThreshold": v(uint32(0)), "ErrorRateThreshold": v(false),
				"Cdma": v(properties{}), "Evdo": v(properties{}), "Gsm": v(properties{}), "Umts": v(properties{}),
				"Lte": v(properties{"rssi": v(-67.0), "rsrq": v(-11.4), "rsrp": v(-98.6), "snr": v(7.5)}),
			},
			mmLocation: {"Enabled": v(uint32(locationCell)), "SignalsLocation": v(false), "Location": v(map[uint32]dbus.Variant{})},
		},
		bearers: map[dbus.ObjectPath]properties{
			bearerPath: {
				"Interface": v("wwan0"), "Connected": v(true),
				"Properties": v(properties{"apn": v("iot.example"), "ip-type": v(uint32(4)), "password": v("secret")}),
				"Ip4Config":  v(properties{"method": v(uint32(2)), "address": v("100.64.0.9"), "prefix": v(uint32(30)), "gateway": v("100.64.0.10")}),
				"Ip6Config":  v(properties{"method": v(uint32(3))}),
			},
			bearerPath + "0": {"Interface": v(""), "Connected": v(false), "Properties": v(properties{"apn": v("other.example")})},
		},
		answers: map[string][]any{
			mmLocation + ".GetLocation": {map[uint32]dbus.Variant{locationCell: v("262,01,FFFE,1A2B3C4,6FFE")}},
			mmModem + ".GetCellInfo": {[]properties{
				{"serving": v(false), "cell-type": v(uint32(cellLTE)), "earfcn": v(uint32(1300))},
				{"serving": v(true), "cell-type": v(uint32(cellLTE)), "earfcn": v(uint32(38950)), "ci": v("1A2B3C4")},
			}},
			mmSignal + ".Setup": {},
		},
	}
}

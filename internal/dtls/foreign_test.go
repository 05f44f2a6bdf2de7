package dtls

import "testing"

func TestForeignDatagrams(t *testing.T) {
	for name, c := range map[string]struct {
		datagram []byte
		want     Progress
	}{
		"an alert":           {[]byte{21, 0xfe, 0xfd}, Progress{Datagrams: 1}},
		"a handshake":        {[]byte{22, 0xfe, 0xfd}, Progress{Datagrams: 1}},
		"nothing":            {nil, Progress{Datagrams: 1}},
		"a RST":              {[]byte{0x70, 0, 1, 2}, Progress{Datagrams: 1, Foreign: 1, CoAP: true}},
		"4.00":               {[]byte{0x64, 0x80, 1, 2, 0, 0, 0, 0}, Progress{Datagrams: 1, Foreign: 1, CoAP: true}},
		"2.31":               {[]byte{0x60, 0x5f, 1, 2}, Progress{Datagrams: 1, Foreign: 1, CoAP: true}},
		"a reserved class":   {[]byte{0x60, 0x20, 1, 2}, Progress{Datagrams: 1, Foreign: 1}},
		"a token of 9 bytes": {[]byte{0x69, 0x45, 1, 2}, Progress{Datagrams: 1, Foreign: 1}},
		"three bytes":        {[]byte{0x60, 0x45, 1}, Progress{Datagrams: 1, Foreign: 1}},
		"HTTP":               {[]byte("HTTP/1.1 400 Bad Request"), Progress{Datagrams: 1, Foreign: 1}},
		"zeros":              {make([]byte, 20), Progress{Datagrams: 1, Foreign: 1}},
	} {
		var got Progress
		got.note(c.datagram)
		if got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

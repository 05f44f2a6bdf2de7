package record

import (
	"bytes"
	"testing"
)

// sizes are those of an acknowledgement, a usual message, and a block of 1024 bytes with
// its header.
var sizes = []struct {
	name  string
	bytes int
}{{"4B", 4}, {"60B", 60}, {"1060B", 1060}}

// BenchmarkSeal seals records into the same room, with and without a Connection ID.
func BenchmarkSeal(b *testing.B) {
	eachRecord(b, func(b *testing.B, cid []byte, c Cipher, payload []byte) {
		p, _ := pair(b, c, cid)
		room := make([]byte, 0, len(payload)+p.Overhead())
		for b.Loop() {
			if _, err := p.Seal(room, ApplicationData, payload); err != nil {
				b.Fatal(err)
			}
			p.sealed = 0 // more than one key is for
		}
	})
}

// BenchmarkOpen opens the same record again and again.
func BenchmarkOpen(b *testing.B) {
	eachRecord(b, func(b *testing.B, cid []byte, c Cipher, payload []byte) {
		client, server := pair(b, c, cid)
		sealed := seal(b, client, ApplicationData, payload)
		work := make([]byte, len(sealed))
		for b.Loop() {
			copy(work, sealed)
			server.window = window{}
			r, _, ok := Next(work, len(cid))
			if !ok {
				b.Fatal("no record")
			}
			if _, _, err := server.Open(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func eachRecord(b *testing.B, run func(b *testing.B, cid []byte, c Cipher, payload []byte)) {
	for _, c := range []Cipher{AES128CCM8, AES128GCM} {
		for name, cid := range map[string][]byte{"plain": nil, "CID": []byte("12345678")} {
			for _, size := range sizes {
				b.Run(c.String()+"/"+name+"/"+size.name, func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(size.bytes))
					run(b, cid, c, bytes.Repeat([]byte{0x55}, size.bytes))
				})
			}
		}
	}
}

package codec

import (
	"fmt"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// benchmarked has a value of every kind that a gateway serves often.
func benchmarked() *lwm2m.Tree {
	tree := lwm2m.NewTree()
	put := func(v lwm2m.Value) {
		tree.PutResource(object, 3, lwm2m.Resource{ID: uint16(v.Kind()), Value: v})
	}
	put(lwm2m.String("Acme Gateway"))
	put(lwm2m.Integer(-40))
	put(lwm2m.Unsigned(1 << 40))
	put(lwm2m.Float(21.375))
	put(lwm2m.Boolean(true))
	put(lwm2m.Opaque([]byte{1, 2, 3, 4, 5, 6, 7, 8}))
	put(lwm2m.ObjectLink(66, 0))
	return tree
}

func benchmark(b *testing.B, formats []lwm2m.Format, target lwm2m.Path) {
	p, _ := benchmarked().Payload(target)
	for _, f := range formats {
		data, err := Encode(f, target, p)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("encode/%d", f), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Encode(f, target, p); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("decode/%d", f), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(f, target, data, registry, lwm2m.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One resource, as most Reads, Writes and notifications have.
func BenchmarkResource(b *testing.B) {
	benchmark(b, []lwm2m.Format{
		lwm2m.FormatText, lwm2m.FormatCBOR, lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatTLV, lwm2m.FormatJSON,
	}, lwm2m.PathOf(object, 3, uint16(lwm2m.KindString)))
}

// One instance of seven resources.
func BenchmarkInstance(b *testing.B) {
	benchmark(b, Formats(Create), lwm2m.PathOf(object, 3))
}

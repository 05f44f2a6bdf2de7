package management

import (
	"testing"

	"github.com/holdfast-iot/holdfast/messages"
)

// BenchmarkRead is what a Read costs the actor's machine, from the request that
// coapresend hands over to the reply.
func BenchmarkRead(b *testing.B) {
	for _, path := range []string{"/3/0/0", "/3/0", "/1/0/1", "/1"} {
		b.Run(path, func(b *testing.B) {
			m := machine(true)
			var in any = request(messages.GET, path)
			b.ReportAllocs()
			for b.Loop() {
				m.Step(now, in)
			}
		})
	}
}

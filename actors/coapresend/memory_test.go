package coapresend

import (
	"runtime"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// TestIdleSize: a process has thousands of links; an idle one costs less than
// 2 KB.
func TestIdleSize(t *testing.T) {
	const links = 10_000
	all := make([]*Machine, links)
	before := heap()
	for i := range all {
		all[i] = New(Config{Epoch: epoch}, SystemRand{})
		all[i].Step(start, messages.LinkUp{Epoch: epoch})
	}
	if size := int64(heap()-before) / links; size > 2048 {
		t.Errorf("an idle machine takes %d bytes", size)
	} else {
		t.Logf("an idle machine takes %d bytes", size)
	}
	runtime.KeepAlive(all)
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkExchange is one request of ours and its piggybacked response.
func BenchmarkExchange(b *testing.B) {
	m := New(Config{Epoch: epoch}, &testRand{})
	m.Step(start, messages.LinkUp{Epoch: epoch})
	now := start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(10e6)
		effects := m.Step(now, messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"a"}})
		response := answerOf(effects)
		m.Step(now, messages.Datagram{Epoch: epoch, Data: response})
	}
}

// answerOf returns the ACK 2.04 to the datagram among effects.
func answerOf(effects []core.Effect) []byte {
	for _, effect := range effects {
		if request, ok := effect.(send); ok {
			answer := append([]byte(nil), request.data[:12]...)
			answer[0], answer[1] = 0x68, byte(messages.Changed)
			return answer
		}
	}
	return nil
}

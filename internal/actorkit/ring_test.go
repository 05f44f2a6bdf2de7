package actorkit

import (
	"testing"

	"pgregory.net/rapid"
)

func TestRingIsFIFO(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ring
		var model []any
		for i, push := range rapid.SliceOf(rapid.Bool()).Draw(t, "ops") {
			if push {
				r.push(i)
				model = append(model, i)
				continue
			}
			got, ok := r.pop()
			if ok != (len(model) > 0) {
				t.Fatalf("pop = %v with %d elements", ok, len(model))
			}
			if ok && got != model[0] {
				t.Fatalf("pop = %v, want %v", got, model[0])
			}
			model = model[min(1, len(model)):]
			if int(r.count) != len(model) {
				t.Fatalf("count = %d, want %d", r.count, len(model))
			}
		}
		for i := range model {
			if r.at(i) != model[i] {
				t.Fatalf("at(%d) = %v, want %v", i, r.at(i), model[i])
			}
		}
	})
}

func TestRingGrowsOnDemandAndLetsGoOfABurst(t *testing.T) {
	var r ring
	if r.buf != nil {
		t.Error("an unused ring holds memory")
	}
	r.push(0)
	if len(r.buf) != ringFirst {
		t.Errorf("capacity %d after the first push, want %d", len(r.buf), ringFirst)
	}
	for i := range 1000 {
		r.push(i)
	}
	if len(r.buf) != 1024 {
		t.Errorf("capacity %d with 1001 elements, want 1024", len(r.buf))
	}
	for r.count > 0 {
		r.pop()
	}
	if r.buf != nil {
		t.Errorf("capacity %d after a burst, want 0", len(r.buf))
	}
}

func TestRingKeepsSmallBufferAndNoReferences(t *testing.T) {
	var r ring
	for i := range ringKeep {
		r.push(i)
	}
	for r.count > 0 {
		r.pop()
	}
	if len(r.buf) != ringKeep {
		t.Errorf("capacity %d, want %d", len(r.buf), ringKeep)
	}
	for i, v := range r.buf {
		if v != nil {
			t.Fatalf("slot %d still refers to a message", i)
		}
	}
}

// An idle mailbox holds no buffer, and the next one to have a message finds it empty.
func TestRingGivesItsFirstBufferBack(t *testing.T) {
	for _, most := range []int{1, ringFirst, ringFirst + 1} {
		var r ring
		for i := range most {
			r.push(i)
		}
		for r.count > 0 {
			r.pop()
		}
		if held := len(r.buf) > 0; held != (most > ringFirst) {
			t.Errorf("after %d elements at once the capacity is %d", most, len(r.buf))
		}
		buf := firsts.Get().(*[ringFirst]any)
		if *buf != [ringFirst]any{} {
			t.Errorf("after %d elements at once the next ring begins with %v", most, buf)
		}
	}
}

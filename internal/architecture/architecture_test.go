package architecture

import (
	"slices"
	"testing"
)

// rule is something that holds for every source of the module.
type rule struct {
	name string
	// remedy says what to do about a fault.
	remedy string
	check  func(*module) []fault
	// refused are samples with at least one fault each, accepted have none.
	refused, accepted []sample
}

// rules returns all of them.
func rules() []rule {
	return slices.Concat(importRules, gatewayRules, purityRules, documentationRules, disciplineRules, sizeRules, timerRules, manifestRules, referenceRules)
}

func TestModule(t *testing.T) {
	m := holdfast(t)
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			faults := r.check(m)
			for _, f := range faults {
				t.Error(f)
			}
			if len(faults) > 0 {
				t.Errorf("%d faults. What to do: %s", len(faults), r.remedy)
			}
		})
	}
}

// TestRulesCanFail feeds every rule what it has to refuse, and what it has to
// let pass.
func TestRulesCanFail(t *testing.T) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if len(r.refused) == 0 || len(r.accepted) == 0 || r.remedy == "" {
				t.Fatal("a rule needs a remedy and samples of both kinds")
			}
			for i, s := range r.refused {
				if len(r.check(s.load(t))) == 0 {
					t.Errorf("refused sample %d passes", i)
				}
			}
			for i, s := range r.accepted {
				if faults := r.check(s.load(t)); len(faults) > 0 {
					t.Errorf("accepted sample %d: %v", i, faults)
				}
			}
		})
	}
}

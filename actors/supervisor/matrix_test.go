package supervisor

import (
	"testing"

	"github.com/holdfast-iot/holdfast/messages"
)

// The matrix has no empty cell, and nothing outside of it.
func TestMatrixHasNoEmptyCell(t *testing.T) {
	for _, code := range messages.ErrorCodes() {
		for _, at := range Moments() {
			for _, stored := range StoreStates() {
				c, ok := CellOf(code, at, stored)
				if !ok || (c.Test == "") == (c.Reason == NoReason) {
					t.Errorf("%s, %s, %s: %+v, %v", code, at, stored, c, ok)
				}
			}
		}
	}
	for _, code := range []messages.ErrorCode{0, 1, 18} {
		if c, ok := CellOf(code, Start, Fresh); ok {
			t.Errorf("code %d has a cell: %+v", code, c)
		}
	}
	if _, ok := CellOf(messages.ConnectTimeout, momentCount, Fresh); ok {
		t.Error("a moment that is none has a cell")
	}
	if _, ok := CellOf(messages.ConnectTimeout, Start, Bootstrapped+1); ok {
		t.Error("a store state that is none has a cell")
	}
}

// A moment has one reason for a code, and none where the code is tested.
func TestMatrixSaysEverythingOnce(t *testing.T) {
	for code, row := range matrix {
		said := map[Moment]int{}
		for _, at := range row.tested {
			said[at]++
		}
		for _, b := range row.because {
			for _, at := range b.moments {
				said[at]++
			}
		}
		for at, n := range said {
			if n > 1 {
				t.Errorf("%s has %d statements about %s", code, n, at)
			}
		}
	}
}

// TestMatrixCounts prints how many cells are tested and impossible.
func TestMatrixCounts(t *testing.T) {
	tested, impossible := 0, 0
	for _, at := range Moments() {
		n, m := countCells(at)
		tested, impossible = tested+n, impossible+m
		t.Logf("%-22s %3d tested %3d impossible", at, n, m)
	}
	t.Logf("%-22s %3d tested %3d impossible", "all", tested, impossible)
}

func countCells(at Moment) (tested, impossible int) {
	for _, code := range messages.ErrorCodes() {
		for _, stored := range StoreStates() {
			if c, _ := CellOf(code, at, stored); c.Reason == NoReason {
				tested++
			} else {
				impossible++
			}
		}
	}
	return tested, impossible
}

func TestOccurs(t *testing.T) {
	tests := []struct {
		code  messages.ErrorCode
		phase messages.Phase
		want  bool
	}{
		{messages.ConnectDNSResolvingFailed, messages.PhaseRegister, true},
		{messages.ConnectDNSResolvingFailed, messages.PhaseRegistered, false},
		{messages.ConnectNotAllowed, messages.PhaseAPI, true},
		{messages.ConnectNotAllowed, messages.PhaseRegister, false},
		{messages.EnrolmentFailed, messages.PhaseRegister, false},
		{messages.ConnectorFailedToStoreCredentials, messages.PhaseBootstrap, true},
		{messages.ConnectorFailedToStoreCredentials, messages.PhaseStore, true},
		{messages.ConnectorUnregistrationFailed, messages.PhaseClose, true},
	}
	for _, tt := range tests {
		if got := Occurs(tt.code, tt.phase.String(), Fresh); got != tt.want {
			t.Errorf("%s in phase %s: %v", tt.code, tt.phase, got)
		}
	}
}

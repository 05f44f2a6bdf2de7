package matrix

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
				if !ok || (c.Back == NoAccount) == (c.Reason == NoReason) {
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

// Every code can occur, and whatever the client is about something can happen.
func TestMatrixCoversEverything(t *testing.T) {
	codes, moments, backs := map[messages.ErrorCode]int{}, map[Moment]int{}, map[Account]int{}
	for _, code := range messages.ErrorCodes() {
		for _, at := range Moments() {
			for _, stored := range StoreStates() {
				if c, _ := CellOf(code, at, stored); c.Reason == NoReason {
					codes[code]++
					moments[at]++
					backs[c.Back]++
				}
			}
		}
	}
	for _, code := range messages.ErrorCodes() {
		if codes[code] == 0 {
			t.Errorf("%s is tested in no cell", code)
		}
	}
	for _, at := range Moments() {
		if moments[at] == 0 {
			t.Errorf("no cell is tested at %s", at)
		}
	}
	for _, a := range []Account{Configured, Factory, Former, Delivered, Either} {
		if backs[a] == 0 {
			t.Errorf("no client comes back by the account that is called %s", a)
		}
	}
}

// By which account a client comes back depends on what is stored.
func TestWayBackDependsOnTheStore(t *testing.T) {
	tests := []struct {
		code messages.ErrorCode
		at   Moment
		want [3]Account // fresh, provisioned, bootstrapped
	}{
		{messages.ConnectTimeout, Registering, [3]Account{Configured, Factory, Former}},
		{messages.ConnectInvalidParameters, Registering, [3]Account{Delivered, Delivered, Delivered}},
		{messages.ConnectBootstrapFailed, BootstrapDelete, [3]Account{Delivered, Delivered, Either}},
		{messages.ConnectNotRegistered, BootstrapDelete, [3]Account{Delivered, Delivered, Former}},
		{messages.ConnectorFailedToReadCredentials, Start, [3]Account{Configured, Factory, Delivered}},
		{messages.ConnectMemoryConnectFail, Start, [3]Account{NoAccount, NoAccount, Former}},
	}
	for _, tt := range tests {
		for i, stored := range StoreStates() {
			if c, _ := CellOf(tt.code, tt.at, stored); c.Back != tt.want[i] {
				t.Errorf("%s, %s, %s: %s, want %s", tt.code, tt.at, stored, c.Back, tt.want[i])
			}
		}
	}
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
		{messages.EnrolmentFailed, messages.PhaseEnrolment, true},
		{messages.ConnectorFailedToStoreCredentials, messages.PhaseBootstrap, true},
		{messages.ConnectorFailedToStoreCredentials, messages.PhaseStore, true},
		{messages.ConnectorUnregistrationFailed, messages.PhaseClose, true},
		{messages.ConnectSecureConnectionFailed, messages.PhaseFirmware, true},
		{messages.ConnectorFailedToStoreCredentials, messages.PhaseFirmware, false},
	}
	for _, tt := range tests {
		if got := Occurs(tt.code, tt.phase.String(), Fresh); got != tt.want {
			t.Errorf("%s in phase %s: %v", tt.code, tt.phase, got)
		}
	}
}

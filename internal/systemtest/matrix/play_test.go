package matrix_test

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest/matrix"
	"github.com/holdfast-iot/holdfast/messages"
)

// TestMatrix provokes every error code, from the outside, at every moment at
// which it can occur and in every state of the store. A cell that the matrix
// says is tested and that nothing here provokes fails.
func TestMatrix(t *testing.T) {
	for _, code := range messages.ErrorCodes() {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			for _, at := range matrix.Moments() {
				t.Run(at.String(), func(t *testing.T) { playMoment(t, holdfast.ErrorCode(code), at) })
			}
		})
	}
}

func playMoment(t *testing.T, code holdfast.ErrorCode, at matrix.Moment) {
	for _, stored := range matrix.StoreStates() {
		cell, _ := matrix.CellOf(messages.ErrorCode(code), at, stored)
		if cell.Reason != matrix.NoReason {
			continue
		}
		t.Run(stored.String(), func(t *testing.T) {
			play, ok := plays[code]
			if at == matrix.Downloading {
				play = playFetch
			}
			if !ok {
				t.Fatal("nothing provokes this error")
			}
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, code, at, stored)
				defer s.end()
				play(s)
				s.expectBack(cell.Back)
			})
		})
	}
}

// plays provoke one code each, at the scene's moment, and demand what the
// recovery table promises (docs/design.md, The recovery table).
var plays = map[holdfast.ErrorCode]func(*scene){
	holdfast.CodeBootstrapFailed:    failing(failBootstrap),
	holdfast.CodeInvalidParameters:  startOr(playInvalidConfiguration, failing(refuseRegister)),
	holdfast.CodeInvalidCredentials: playUnusableCredentials,
	holdfast.CodeNotRegistered:      playCloseWithoutRegistration,
	holdfast.CodeTimeout:            failing(fallSilent),
	holdfast.CodeNetwork:            failing(refusePort),
	holdfast.CodeResponseParse:      playGarbage,
	holdfast.CodeUnknown:            failing(crashActor),
	holdfast.CodeMemory:             startOr(playTooManyAccounts, failing(exceedBudget)),
	holdfast.CodeNotAllowed:         playForbiddenCall,
	holdfast.CodeSecureConnection:   failing(refuseHandshake),
	holdfast.CodeDNS:                failing(hideName),
	holdfast.CodeUnregistration:     playRefusedGoodbye,
	holdfast.CodeEnrolment:          playRenewal,
	holdfast.CodeStoreCredentials:   startOr(playUnstorableReset, failing(breakStore)),
	holdfast.CodeReadCredentials:    playUnreadableCredentials,
}

// startOr chooses between what is done about the accounts as they are read and
// what is done to an attempt.
func startOr(start, attempt func(*scene)) func(*scene) {
	return func(s *scene) {
		if s.at == matrix.Start {
			start(s)
			return
		}
		attempt(s)
	}
}

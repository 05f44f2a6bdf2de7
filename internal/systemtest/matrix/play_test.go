package matrix_test

import (
	"testing"
	"testing/synctest"

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
				t.Run(at.String(), func(t *testing.T) { playMoment(t, code, at) })
			}
		})
	}
}

func playMoment(t *testing.T, code messages.ErrorCode, at matrix.Moment) {
	for _, stored := range matrix.StoreStates() {
		cell, _ := matrix.CellOf(code, at, stored)
		if cell.Reason != matrix.NoReason {
			continue
		}
		t.Run(stored.String(), func(t *testing.T) {
			play, ok := plays[code]
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
var plays = map[messages.ErrorCode]func(*scene){
	messages.ConnectBootstrapFailed:            failing(failBootstrap),
	messages.ConnectInvalidParameters:          startOr(playInvalidConfiguration, failing(refuseRegister)),
	messages.ConnectorInvalidCredentials:       playUnusableCredentials,
	messages.ConnectNotRegistered:              playCloseWithoutRegistration,
	messages.ConnectTimeout:                    failing(fallSilent),
	messages.ConnectNetworkError:               failing(refusePort),
	messages.ConnectResponseParseFailed:        playGarbage,
	messages.ConnectUnknownError:               failing(crashActor),
	messages.ConnectMemoryConnectFail:          startOr(playTooManyAccounts, failing(exceedBudget)),
	messages.ConnectNotAllowed:                 playForbiddenCall,
	messages.ConnectSecureConnectionFailed:     failing(refuseHandshake),
	messages.ConnectDNSResolvingFailed:         failing(hideName),
	messages.ConnectorUnregistrationFailed:     playRefusedGoodbye,
	messages.ConnectorFailedToStoreCredentials: startOr(playUnstorableReset, failing(breakStore)),
	messages.ConnectorFailedToReadCredentials:  playUnreadableCredentials,
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

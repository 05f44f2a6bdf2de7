//go:build race

package network

// raceDetector says that the tests run under the race detector, which makes
// the schedules some ten times slower.
const raceDetector = true

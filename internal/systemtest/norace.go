//go:build !race

package systemtest

// RaceDetector says that the tests run under the race detector, which makes
// the schedules some ten times slower.
const RaceDetector = false

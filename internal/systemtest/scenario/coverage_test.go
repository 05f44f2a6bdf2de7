package scenario

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/actors/supervisor"
	"github.com/holdfast-iot/holdfast/messages"
)

// narrated is an error as a narration tells it.
type narrated struct {
	file    string
	line    string
	code    messages.ErrorCode
	failure messages.Failure
	action  string
}

var (
	// As describeError words them: code, phase, class, answer, action.
	errorLine = regexp.MustCompile(`^t\+\S+ +client +error (\d+) \S+ in (\S+), attempt \d+(?:, \S+)?: ([a-z-]+)(?: (\d\.\d\d))?.*; (.+)$`)
	// A configuration that is refused makes no event: no client exists yet.
	startLine = regexp.MustCompile(`^t\+\S+ +client +start fails: (\d+) \S+ in (config):`)
)

// unreachable are the rows that no client comes to, and why. They are there
// because every class of failure has a row for whatever phase it is in.
var unreachable = map[string]string{
	"silence in []":       "a Register and a Bootstrap-Request whose resends are exhausted begin anew, until the attempt's time is over",
	"moved in []":         moves,
	"moved in [firmware]": moves,
}

const moves = "an event of its own says so in the place of an error"

// init adds the rows of downloads that no scenario shows.
func init() {
	why := map[messages.Class]string{
		messages.ClassBadAnswer:  "the images of the scenarios come in good order",
		messages.ClassStoreWrite: "the disk of the images has no faults in a scenario", messages.ClassStoreRead: "the same",
		messages.ClassBadCredentials: "it ends the update", messages.ClassConfiguration: "the same",
	}
	for _, row := range supervisor.Table() {
		if slices.Equal(row.Phases, []messages.Phase{messages.PhaseFirmware}) && why[row.Class] != "" {
			unreachable[nameOf(row)] = why[row.Class]
		}
	}
}

// TestEveryRowOfTheRecoveryTableIsNarrated demands a scenario for each row of
// the recovery table: an error of its class, phase and answer, with its code,
// and with the action of its step.
func TestEveryRowOfTheRecoveryTableIsNarrated(t *testing.T) {
	all := narratedErrors(t)
	for _, row := range supervisor.Table() {
		name := nameOf(row)
		i := slices.IndexFunc(all, func(n narrated) bool { return n.shows(row) })
		switch why, never := unreachable[name]; {
		case i < 0 && !never:
			t.Errorf("no scenario shows %s", name)
		case i >= 0 && never:
			t.Errorf("%s: %s shows %s, in spite of this: %s", all[i].file, all[i].line, name, why)
		}
	}
}

// TestErrorsAreThoseOfTheRecoveryTable demands that every error has the code of
// its row, and the action of its step, or what takes its place where that cannot
// be done.
func TestErrorsAreThoseOfTheRecoveryTable(t *testing.T) {
	for _, n := range narratedErrors(t) {
		leaving := n.failure.Phase == messages.PhaseClose && n.code == messages.ConnectorUnregistrationFailed
		if !leaving && !slices.ContainsFunc(supervisor.Table(), n.fits) {
			t.Errorf("%s: no row of the table says: %s", n.file, n.line)
		}
	}
}

// TestEveryErrorCodeIsNarrated demands a scenario for each code, also for those
// that answer a call.
func TestEveryErrorCodeIsNarrated(t *testing.T) {
	shown := map[messages.ErrorCode]bool{}
	for _, text := range scenarios(t) {
		for _, m := range regexp.MustCompile(`(?m) client +error (\d+) `).FindAllStringSubmatch(text, -1) {
			shown[parseCode(m[1])] = true
		}
	}
	for _, code := range messages.ErrorCodes() {
		if !shown[code] {
			t.Errorf("no scenario shows %v", code)
		}
	}
}

// TestScenariosSayWhatTheyTell demands that each scenario begins with a comment.
func TestScenariosSayWhatTheyTell(t *testing.T) {
	for file, text := range scenarios(t) {
		if !strings.HasPrefix(text, "# ") {
			t.Errorf("%s does not begin with a comment that says what it tells", file)
		}
	}
}

// TestNarrationsHoldNoSecret looks for the keys in every form in which they
// might come out.
func TestNarrationsHoldNoSecret(t *testing.T) {
	for file, text := range scenarios(t) {
		for server, key := range keys {
			if strings.Contains(text, string(key)) || strings.Contains(text, fmt.Sprintf("%x", key)) {
				t.Errorf("%s holds the key of %s", file, server)
			}
		}
	}
}

// isOf reports whether an error is of a row, and has its code.
func (n narrated) isOf(row supervisor.Row) bool {
	return reflect.DeepEqual(supervisor.Lookup(&n.failure, row.Twice), row) && n.code == row.Code
}

// shows reports whether the row is to be seen in an error.
func (n narrated) shows(row supervisor.Row) bool {
	return n.isOf(row) && slices.ContainsFunc(actions[row.Step], n.acts)
}

// fits reports whether an error does not contradict a row: without a bootstrap
// account there is no bootstrap, what happens as credentials are read says itself what
// is done, and an update that has ended is not tried again.
func (n narrated) fits(row supervisor.Row) bool {
	instead := row.Step == supervisor.Bootstrap && n.acts("retry in .*") || n.failure.Phase == messages.PhaseStore ||
		n.failure.Phase == messages.PhaseFirmware && n.acts("none")
	return n.shows(row) || n.isOf(row) && instead
}

func (n narrated) acts(action string) bool {
	matched, err := regexp.MatchString("^"+action+"$", n.action)
	return matched && err == nil
}

// actions are how a narration words the steps. Where nothing can be done without
// new files, a person is named instead; who leaves anyway needs no action.
var actions = map[supervisor.Step][]string{
	supervisor.Retry:          {"retry in .*"},
	supervisor.RetryRegister:  {"register in .*"},
	supervisor.Ladder:         {"retry in 0s"},
	supervisor.Bootstrap:      {"bootstrap in .*"},
	supervisor.RepeatUpdate:   {"retry in .*"},
	supervisor.RepeatRegister: {"register in .*"},
	supervisor.Reload:         {"retry in .*", "a person is needed, looks again in .*"},
	supervisor.Ignore:         {"ignore", "none"},
}

func nameOf(row supervisor.Row) string {
	text := fmt.Sprintf("%v in %v", row.Class, row.Phases)
	if len(row.Answers) > 0 {
		text += fmt.Sprintf(" answered %v and %d more", row.Answers[0], len(row.Answers)-1)
	}
	if row.Twice {
		text += ", twice"
	}
	return text
}

// narratedErrors reads the errors of all scenarios, as far as the table is
// about them: a call that is refused, or a Close without a registration, is not
// in it.
func narratedErrors(t *testing.T) (all []narrated) {
	t.Helper()
	texts := scenarios(t)
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		for line := range strings.Lines(texts[file]) {
			if n, ok := parseError(strings.TrimSpace(line)); ok {
				n.file = file
				all = append(all, n)
			}
		}
	}
	return all
}

// scenarios returns the texts of all scenarios, by file.
func scenarios(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir("testdata", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	if err != nil || len(texts) == 0 {
		t.Fatalf("there are no scenarios: %v", err)
	}
	return texts
}

func parseError(line string) (n narrated, ok bool) {
	n.line = line
	if m := startLine.FindStringSubmatch(line); m != nil {
		n.code, n.action = parseCode(m[1]), "ignore"
		n.failure = messages.Failure{Class: messages.ClassConfiguration, Phase: messages.PhaseConfig}
		return n, true
	}
	m := errorLine.FindStringSubmatch(line)
	if m == nil {
		return n, false
	}
	class, known := parseClass(m[3])
	n.code, n.action = parseCode(m[1]), m[5]
	n.failure = messages.Failure{Class: class, Phase: parsePhase(m[2]), Answer: parseAnswer(m[4])}
	return n, known
}

func parseCode(s string) messages.ErrorCode {
	n, _ := strconv.Atoi(s) // the pattern matches digits only
	return messages.ErrorCode(n)
}

func parseClass(s string) (messages.Class, bool) {
	all := messages.Classes()
	i := slices.IndexFunc(all, func(c messages.Class) bool { return c.String() == s })
	if i < 0 {
		return 0, false
	}
	return all[i], true
}

func parsePhase(s string) messages.Phase {
	for p := messages.PhaseAPI; p <= messages.PhaseEnrolment; p++ {
		if p.String() == s {
			return p
		}
	}
	return messages.PhaseAPI
}

func parseAnswer(s string) messages.CoAPCode {
	if s == "" {
		return messages.Empty
	}
	return messages.NewCoAPCode(s[0]-'0', (s[2]-'0')*10+s[3]-'0')
}

package supervisor

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/systemtest/matrix"
	"github.com/holdfast-iot/holdfast/messages"
)

var update = flag.Bool("update", false, "rewrite docs/recovery.md")

const documentPath = "../../docs/recovery.md"

// docs/recovery.md says what the recovery table says.
func TestDocumentIsUpToDate(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(documentPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/recovery.md is out of date: go test ./actors/supervisor -run Document -update")
	}
}

func TestEverythingHasItsWords(t *testing.T) {
	for _, c := range messages.Classes() {
		if Trigger(c) == "" {
			t.Errorf("class %s has no trigger text", c)
		}
	}
	for _, code := range messages.ErrorCodes() {
		if Recovered(code) == "" {
			t.Errorf("%s does not say what recovered means", code)
		}
		if len(rowsOf(code)) == 0 && answers[code] == "" {
			t.Errorf("%s has neither a row nor an answer", code)
		}
	}
	for _, r := range Table() {
		if r.Remedy == "" || r.Step.String() == "" {
			t.Errorf("a row of %s lacks a remedy or an action", r.Code)
		}
	}
}

func rowsOf(code messages.ErrorCode) (rows []Row) {
	for _, r := range Table() {
		if r.Code == code {
			rows = append(rows, r)
		}
	}
	return rows
}

// preface is what docs/recovery.md says before the delays.
const preface = `# Errors and how the client recovers

Generated from the recovery table in ''actors/supervisor''; do not edit. Every failed
attempt makes exactly one ''error'' event with the number and the name given here.

## The reference behaviour

The numbers and names of the codes, what an application is told, and the growing delays follow the
error recovery of the Izuma Device Management Client (formerly Mbed Cloud Client), as its
documentation describes it and its header ''MbedCloudClient.h'' numbers the codes. Code and documents
here call that the reference behaviour. In our words:

- The client recovers by itself: it makes a secure connection, registers, and resends CoAP messages as
  RFC 7252 says. Some errors need the application or a person; the remedy says what to do.
- The first delay is random, from 2 s to 10 s, so that many clients do not come back at the same
  instant. A failed attempt returns an error to the application and doubles the delay, up to a week;
  then the client tries once a week. A success goes back to the original delay.
- A registration that is not complete after three minutes without trouble in the network is a timeout.
- A refused bootstrap is repeated until the server accepts the device. With an expired certificate of
  its own the client goes back to bootstrap for a new one.
- A service that answers 429 is left alone for 60 s.

Each of its sentences is in ''docs/requirements.md'', with the tests that cover it. What it leaves open
is decided in ''docs/design.md'': the policy, the table and what silence means.

`

// openFiles is what docs/recovery.md says of one cause of many errors.
const openFiles = `## Too many open files

A client needs a descriptor for its state directory and one for each server, one for a control API, and a
few more for a moment. Where the process (RLIMIT_NOFILE) or the machine has none left, that is taken for
nothing else: a socket, one for a lookup included, is code 7, the state directory 16 or 17, whatever the
tables below say of a remedy. The detail names the limits, the remedy says how to raise them, and the
client goes on trying by the policy; it has started, too. Only a control API that cannot listen is an error
of ''Start''. The soft limit is no obstacle: the Go runtime raises it to the hard one when a program begins,
and ''Start'' does where the program has lowered it since.

`

// document generates docs/recovery.md.
func document() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(preface, "''", "`"))
	writePolicy(&b)
	b.WriteString(strings.ReplaceAll(openFiles, "''", "`"))
	for _, code := range messages.ErrorCodes() {
		writeCode(&b, code)
	}
	writeAdvice(&b)
	writeCells(&b)
	return b.String()
}

func writePolicy(b *strings.Builder) {
	p := Policy{Initial: 5 * time.Second, Max: Week}
	fmt.Fprintf(b, "## The delays\n\nThe first attempt is made at once. r0 is drawn once, uniformly from 2 s to 10 s; the n-th\n"+
		"consecutive failure waits min(r0 * 2^n, %.0f h), n from 0, for ever: with r0 = 5 s %s, %s, %s, %s ...\n"+
		"A registration resets the count and keeps r0. A server that says 4.29 or 5.03 is left alone for its\n"+
		"Max-Age, %s when it gives none. Crashes of an account's actors wait at least %s, doubled while they repeat.\n"+
		"A hint that the network is back ends a wait, at most once in %s, and never one that a server asked for.\n"+
		"On Linux the client watches the machine's interfaces, addresses and default routes, and gives itself that hint;\n"+
		"one that comes too early is heeded later. A link that has to move begins anew at once, or %s after it has last.\n\n"+
		"All accounts of a client together begin at most %d attempts in any %s and %d in any %s; attempts at a server\n"+
		"that has registered the client since do not count. What exceeds that waits for its turn: `retry_in_ms` is then when\n"+
		"that comes, and `waits_for_turn` is true. A retry timer that a server has written (/1/x/17 to 20) counts as %s at\n"+
		"least after the first %d attempts.\n\n",
		Week.Hours(), p.Delay(0), p.Delay(1), p.Delay(2), p.Delay(3), DefaultFloor, crashMin, hintInterval, hintInterval,
		windows[0].most, windows[0].span, windows[1].most, windows[1].span, slowTimer, quickAttempts)
	b.WriteString("In phase firmware an image is fetched. The download has a count of its own, which begins anew when bytes come,\n" +
		"and goes on where it was; it counts in no budget and delays nobody. Whatever the tables say of an action, it is\n" +
		"tried again after that delay, or the update has ended: then the action is `none`.\n\n")
}

func writeCode(b *strings.Builder, code messages.ErrorCode) {
	fmt.Fprintf(b, "## %d %s\n\n", int(code), code)
	if text := answers[code]; text != "" {
		b.WriteString(text + "\n\n")
	}
	if at := momentsOf(code); at != "" {
		fmt.Fprintf(b, "Tested while: %s.\n\n", at)
	}
	fmt.Fprintf(b, "Recovered means: %s\n\n", Recovered(code))
	rows := rowsOf(code)
	if len(rows) == 0 {
		return
	}
	b.WriteString("| trigger | phase | action | what a person can do |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", triggerOf(r), phasesOf(r), r.Step, r.Remedy)
	}
	b.WriteString("\n")
}

// writeAdvice writes the remedies that are finer than those of the rows.
func writeAdvice(b *strings.Builder) {
	b.WriteString("## Remedies by cause\n\nWhere the security mode, an alert, an answer, or another protocol at the port tells more of\n" +
		"the cause, what a person can do is said more exactly than above. The first line that fits counts.\n\n" +
		"| trigger | security | alert | what a person can do |\n|---|---|---|---|\n")
	for _, a := range Advices() {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", causeOf(a), orAny(a.Modes), orAny(a.Alerts), a.Remedy)
	}
	b.WriteString("\n")
}

func causeOf(a Advice) string {
	var all []string
	for _, c := range a.Classes {
		all = append(all, Trigger(c))
	}
	text := strings.Join(all, "; or ")
	if len(a.Answers) > 0 {
		text += " (" + answersOf(a.Answers) + ")"
	}
	if len(a.Phases) > 0 {
		text += ", in " + orAny(a.Phases)
	}
	if a.Foreign {
		text += "; what came is another protocol"
	}
	return text
}

// orAny lists what an advice is for; nothing means everything.
func orAny[T any](list []T) string {
	if len(list) == 0 {
		return "any"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}

func triggerOf(r Row) string {
	text := Trigger(r.Class)
	for _, also := range r.Also {
		text += "; or " + Trigger(also)
	}
	if len(r.Answers) > 0 {
		text += " (" + answersOf(r.Answers) + ")"
	}
	if r.Twice {
		text += ", twice running"
	}
	return text
}

// answersOf names single answers, and a whole class as one.
func answersOf(codes []messages.CoAPCode) string {
	if len(codes) > 8 {
		return fmt.Sprintf("%d.xx", codes[0].Class())
	}
	var names []string
	for _, c := range codes {
		names = append(names, c.String())
	}
	return strings.Join(names, ", ")
}

func phasesOf(r Row) string {
	if len(r.Phases) == 0 {
		return "any other"
	}
	var names []string
	for _, p := range r.Phases {
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

func momentsOf(code messages.ErrorCode) string {
	var names []string
	for _, at := range matrix.Moments() {
		if c, _ := matrix.CellOf(code, at, matrix.Bootstrapped); c.Reason == matrix.NoReason {
			names = append(names, at.String())
		}
	}
	return strings.Join(names, ", ")
}

// writeCells states how much of the matrix is tested, and why the rest cannot
// occur.
func writeCells(b *strings.Builder) {
	b.WriteString("## What is tested\n\nEach error at each moment in each state of the store (fresh, provisioned, bootstrapped) is provoked by\n" +
		"`TestMatrix`, or has one of the reasons below why it cannot occur.\n\n| moment | tested | cannot occur |\n|---|---|---|\n")
	tested, impossible := 0, 0
	for _, at := range matrix.Moments() {
		n, m := countCells(at)
		tested, impossible = tested+n, impossible+m
		fmt.Fprintf(b, "| %s | %d | %d |\n", at, n, m)
	}
	fmt.Fprintf(b, "| all | %d | %d |\n\n", tested, impossible)
	for _, r := range matrix.Reasons() {
		fmt.Fprintf(b, "- %s (%d cells)\n", r, countReason(r))
	}
}

func countCells(at matrix.Moment) (tested, impossible int) {
	for _, code := range messages.ErrorCodes() {
		for _, stored := range matrix.StoreStates() {
			if c, _ := matrix.CellOf(code, at, stored); c.Reason == matrix.NoReason {
				tested++
			} else {
				impossible++
			}
		}
	}
	return tested, impossible
}

func countReason(r matrix.Reason) (n int) {
	for _, code := range messages.ErrorCodes() {
		for _, at := range matrix.Moments() {
			for _, stored := range matrix.StoreStates() {
				if c, _ := matrix.CellOf(code, at, stored); c.Reason == r {
					n++
				}
			}
		}
	}
	return n
}

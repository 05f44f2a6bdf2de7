package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/holdfast-iot/holdfast"
)

// human prints a run for people, live. States are strung together on one line,
// as they come; everything else has a line of its own.
type human struct {
	out      io.Writer
	coloured bool

	mu       sync.Mutex
	began    time.Time // of the run; times are counted from it
	followed string    // endpoint whose events are shown
	open     bool      // a line of states has no end yet
}

// style is an ECMA-48 select graphic rendition.
type style string

const (
	bold   style = "1"
	faint  style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

func (p *human) paint(s style, text string) string {
	if !p.coloured {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// line prints a line; an open line of states is ended before. The lock is
// held.
func (p *human) line(format string, args ...any) {
	if p.open {
		fmt.Fprintln(p.out)
		p.open = false
	}
	fmt.Fprintf(p.out, format+"\n", args...)
}

// stamp is the time of a live line. The lock is held.
func (p *human) stamp(at time.Time) string {
	return p.paint(faint, fmt.Sprintf("  %7.3f", at.Sub(p.began).Seconds()))
}

func (p *human) intro(each [aSession + 1]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = time.Now()
	cfg := settings()
	p.line("%s", p.paint(bold, "Holdfast demo"))
	p.line("")
	p.line("A bootstrap server and a management server run in this process, on loopback,")
	p.line("over DTLS with pre-shared keys. A gateway bootstraps and registers with them.")
	if errors := each[anError]; errors > 0 {
		p.line("Then %s provoked from the outside: in the network, the servers, the", plural(errors, "error is", "errors are"))
		p.line("files. Each is reported once, with what comes next and when; the gateway recovers")
		p.line("by itself.")
	}
	if sessions := each[aSession]; sessions > 0 {
		p.line("Then %s, and the DTLS session goes on without a handshake.", plural(sessions, "gateway is moved or killed", "gateways are moved or killed"))
	}
	if updates := each[anUpdate]; updates > 0 {
		p.line("Then %s, and something goes wrong with most; the", plural(updates, "gateway gets a firmware update", "gateways get a firmware update each"))
		p.line("server is told every state and the result, in order, whatever happens.")
	}
	p.line("")
	p.line("Delays are scaled down for this; the way they double is the real one:")
	p.line("  first retry after %s to %s (default 2 s to 10 s, then doubling up to a week)", seconds(cfg.Reconnect.InitialMin), seconds(cfg.Reconnect.InitialMax))
	p.line("  an attempt has %s (default 3 min)", seconds(cfg.RegistrationTimeout))
	p.line("  CoAP resends after %s, %d times (default 2 s, 4 times)", seconds(cfg.CoAP.AckTimeout), cfg.CoAP.MaxRetransmit)
	p.line("")
	p.line("%s", p.paint(bold, "A gateway starts: bootstrap, then register"))
}

func (p *human) headline(n, of int, s scenario) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line("")
	p.line("%s %s  %s", p.paint(faint, fmt.Sprintf("[%d/%d]", n, of)), p.paint(bold, s.title()), s.name)
}

func titled(code holdfast.ErrorCode) string { return fmt.Sprintf("%d %v", int(code), code) }

func (p *human) follow(endpoint string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.followed = endpoint
}

func (p *human) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line("%s  %s", p.stamp(time.Now()), p.paint(cyan, "> "+printable(text)))
}

func (p *human) closing() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line("")
	p.line("%s", p.paint(bold, "The gateway is closed: it de-registers"))
}

func (p *human) event(e holdfast.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case e.Endpoint != p.followed:
	case e.Type == holdfast.EventState:
		p.state(e)
	default:
		p.line("%s  %s %s", p.stamp(e.Time), p.paint(styleOf(e), fmt.Sprintf("%-12s", label(e.Type))), printable(describe(e)))
	}
}

// state appends a state to the open line, or opens one. The lock is held.
func (p *human) state(e holdfast.Event) {
	if p.open {
		fmt.Fprint(p.out, p.paint(faint, " > "+string(e.State)))
		return
	}
	fmt.Fprintf(p.out, "%s  %s", p.stamp(e.Time), p.paint(faint, fmt.Sprintf("%-12s %s", "state", e.State)))
	p.open = true
}

func styleOf(e holdfast.Event) style {
	switch _, failed := endOf(e); {
	case e.Type == holdfast.EventError, failed:
		return red
	case e.Type == holdfast.EventDegraded:
		return yellow
	}
	return green
}

// label is a type without its underscore, short enough for the column.
func label(kind holdfast.EventType) string {
	if kind == holdfast.EventRegistrationUpdated {
		return "updated"
	}
	return string(kind)
}

// costText says what a link has cost, where it says so.
func costText(e holdfast.Event) string {
	if e.Session == "" {
		return ""
	}
	return ", session " + e.Session
}

// describe returns what an event says after its type.
func describe(e holdfast.Event) string {
	switch e.Type {
	case holdfast.EventError:
		return describeError(e)
	case holdfast.EventBootstrapped:
		return fmt.Sprintf("%s from %s", plural(e.Accounts, "account", "accounts"), e.Server)
	case holdfast.EventRegistered:
		return fmt.Sprintf("at %s as %s%s", e.Server, e.Location, costText(e))
	case holdfast.EventRegistrationUpdated:
		return "at " + e.Server + costText(e)
	case holdfast.EventDegraded:
		return e.Actor + ": " + e.Detail
	case holdfast.EventFirmware:
		return describeUpdate(e)
	}
	return "at " + e.Server
}

// describeError says what failed, why, and what comes next.
func describeError(e holdfast.Event) string {
	text := titled(e.Code)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	switch delay, again := e.RetryIn(); {
	case again && delay == 0:
		text += " - " + actionText(string(e.Action)) + " now"
	case again:
		text += " - " + actionText(string(e.Action)) + " in " + seconds(delay)
	}
	return text
}

// describeUpdate says how far an update has come, and why it has failed.
func describeUpdate(e holdfast.Event) string {
	text := e.Firmware.String()
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// actionText puts an action (docs/contract.md, Events) into words.
func actionText(action string) string {
	switch action {
	case "bootstrap":
		return "bootstraps"
	case "register":
		return "registers anew"
	case "user":
		return "needs a person; looks again"
	}
	return "tries again"
}

func (p *human) result(r result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !r.Recovered:
		p.line("   %s", p.paint(red, "NOT "+strings.ToUpper(r.verdict())+": "+printable(r.Failure)))
		return
	case r.about() == anUpdate:
		p.line("   %s", p.paint(green, fmt.Sprintf("ended as it should, %s after it began", seconds(r.took()))))
		return
	case r.about() == aSession:
		p.line("   %s", p.paint(green, fmt.Sprintf("the session went on: answered after %s, without a handshake", seconds(r.took()))))
		return
	}
	p.line("   %s", p.paint(green, fmt.Sprintf("%s: %s after the first error, %s; the server counted %s",
		verdictWord(r), seconds(r.took()), plural(r.Attempts, "attempt", "attempts"),
		plural(r.ServerSaw, "Register or Update", "Registers and Updates"))))
}

// about returns what the result is about.
func (r result) about() subject {
	switch r.Type {
	case typeFirmware:
		return anUpdate
	case typeSession:
		return aSession
	}
	return anError
}

// verdict is the good end in a word.
func (r result) verdict() string {
	switch r.about() {
	case anUpdate:
		return "as it should"
	case aSession:
		return "kept"
	}
	return "recovered"
}

// verdictWord is what recovery means for the error: a refused call only has its
// answer.
func verdictWord(r result) string {
	if r.Code == holdfast.ErrNotRegistered.Code || r.Code == holdfast.ErrUnregistration.Code {
		return "answered, and torn down"
	}
	return "recovered"
}

func (r result) took() time.Duration {
	if r.RecoveredInMS == nil {
		return 0
	}
	return time.Duration(*r.RecoveredInMS) * time.Millisecond
}

func (p *human) list(all []scenario) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := [][]string{{"code", "error", "scenario", "provoked by"}}
	for _, s := range all {
		rows = append(rows, []string{codeText(s.code), s.label(), s.name, s.provoked})
	}
	p.table(rows)
}

// label is the error's name in a table, or what else the scenario is about.
func (s scenario) label() string { return or(s.errorName(), s.about.String()) }

// codeText is the cell of a code; what is not about an error has none.
func codeText(code holdfast.ErrorCode) string {
	if code == 0 {
		return "   -"
	}
	return fmt.Sprintf("%4d", int(code))
}

func (p *human) summary(results []result, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line("")
	rows := [][]string{{"code", "name", "provoked by", "attempts", "delays", "recovered in", "result"}}
	for _, r := range results {
		rows = append(rows, r.row())
	}
	p.table(rows)
	p.line("")
	verdict := verdictOf(results) + ", in " + seconds(took)
	if recoveries(results) < len(results) {
		p.line("%s", p.paint(red, verdict))
	} else {
		p.line("%s", p.paint(green, verdict))
	}
	p.line("Recovery is counted from the first error, an update from its beginning. Delays were")
	p.line("scaled down, see above.")
	p.line("")
	p.line("Go on with a server to try against:   holdfast server --help")
	p.line("and a gateway of your own:            holdfast run --config gw.yaml")
}

// verdictOf counts what went well, each subject apart.
func verdictOf(results []result) string {
	of := func(about subject) []result {
		return slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.about() != about })
	}
	var parts []string
	errors, sessions, updates := of(anError), of(aSession), of(anUpdate)
	if len(errors) > 0 || len(results) == 0 {
		parts = append(parts, fmt.Sprintf("%d of %s recovered", recoveries(errors), plural(len(errors), "error", "errors")))
	}
	if len(sessions) > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s kept", recoveries(sessions), plural(len(sessions), "DTLS session", "DTLS sessions")))
	}
	if len(updates) > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s ended as they should", recoveries(updates), plural(len(updates), "firmware update", "firmware updates")))
	}
	return strings.Join(parts, ", ")
}

// row is the result's line of the table.
func (r result) row() []string {
	delays := make([]string, len(r.DelaysMS))
	for i, ms := range r.DelaysMS {
		delays[i] = seconds(time.Duration(ms) * time.Millisecond)
	}
	recovered, verdict := "-", "FAILED"
	if r.Recovered {
		recovered, verdict = seconds(r.took()), r.verdict()
	}
	return []string{
		codeText(r.Code), or(r.Name, r.about().String()), r.Provoked, fmt.Sprint(r.Attempts),
		or(strings.Join(delays, ", "), "none"), recovered, verdict,
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// table prints rows in columns; the first row is the head, and the last column
// says how it went. The lock is held.
func (p *human) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for n, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = fmt.Sprintf("%-*s", widths[i], cell)
		}
		p.line("%s", p.paint(rowStyle(n, row), strings.TrimRight(strings.Join(cells, "  "), " ")))
	}
}

func rowStyle(n int, row []string) style {
	switch {
	case n == 0:
		return bold
	case row[len(row)-1] == "FAILED":
		return red
	}
	return "0"
}

// seconds writes a duration with two decimals of a second, and a short one in
// milliseconds.
func seconds(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// printable keeps what a peer said from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

package scenario

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// line is one line of a narration.
type line struct {
	at       time.Duration
	text     string
	state    string // that it tells of
	datagram bool
}

func (l line) String() string {
	return fmt.Sprintf("%-12s %s\n", fmt.Sprintf("t+%.3fs", l.at.Seconds()), l.text)
}

// compose writes lines, as short as may be: states that follow each other at
// one instant make one line, and of datagrams that come over and over again only
// the first are written.
func compose(lines []line) string {
	var out strings.Builder
	for lines = join(lines); len(lines) > 0; {
		length, times := repetition(lines)
		for _, l := range lines[:length] {
			out.WriteString(l.String())
		}
		if times > 1 {
			last := lines[length*times-1]
			fmt.Fprintf(&out, "%-12s %s\n", "...", fmt.Sprintf("the same %d times more, until t+%.3fs", times-1, last.at.Seconds()))
		}
		lines = lines[length*times:]
	}
	return out.String()
}

// join makes one line of states that follow each other at one instant.
func join(lines []line) (all []line) {
	for _, l := range lines {
		if last := len(all) - 1; l.state != "" && last >= 0 && all[last].state != "" && all[last].at == l.at {
			all[last].text += ", " + l.state
			continue
		}
		all = append(all, l)
	}
	return all
}

// repetition returns how many of the first lines are repeated after them, and
// how often they are there; a line that is not repeated is there once.
func repetition(lines []line) (length, times int) {
	for length = 1; length <= 2; length++ {
		times = 1
		for repeats(lines, length, times) {
			times++
		}
		if times > 3 {
			return length, times
		}
	}
	return 1, 1
}

// repeats reports whether the first lines stand there once more, after so many
// times.
func repeats(lines []line, length, times int) bool {
	if len(lines) < length*(times+1) {
		return false
	}
	for i := range length {
		if next := lines[length*times+i]; !next.datagram || next.text != lines[i].text {
			return false
		}
	}
	return true
}

func TestRepetitionsAreWrittenOnce(t *testing.T) {
	var lines []line
	for i := range 10 {
		at := time.Duration(i) * time.Second
		lines = append(lines, line{at: at, text: "there", datagram: true}, line{at: at, text: "back", datagram: true})
	}
	want := "t+0.000s     there\nt+0.000s     back\n...          the same 9 times more, until t+9.000s\n"
	if got := compose(lines); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := compose(lines[:6]); strings.Count(got, "\n") != 6 {
		t.Errorf("three times are not many:\n%s", got)
	}
}

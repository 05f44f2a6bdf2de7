package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

func TestHumanOutput(t *testing.T) {
	var out bytes.Buffer
	p := &human{out: &out, began: time.Unix(100, 0), followed: gatewayName}
	at := func(ms int) time.Time { return time.Unix(100, 0).Add(time.Duration(ms) * time.Millisecond) }
	for _, e := range []holdfast.Event{
		{Endpoint: gatewayName, Type: holdfast.EventState, State: holdfast.Resolving, Time: at(1)},
		{Endpoint: "another", Type: holdfast.EventState, State: holdfast.Stopped, Time: at(1)},
		{Endpoint: gatewayName, Type: holdfast.EventState, State: holdfast.Waiting, Time: at(2)},
		{
			Endpoint: gatewayName, Type: holdfast.EventError, Code: 13, Name: "x", Detail: "no such\x1b[2J host",
			Action: "retry", NextAttempt: at(1750), Time: at(1500),
		},
		{Endpoint: gatewayName, Type: holdfast.EventRegistered, Server: "coaps://s", Location: "/rd/1", Time: at(2000)},
	} {
		p.event(e)
	}
	want := `    0.001  state        resolving > waiting
    1.500  error        13 ConnectDnsResolvingFailed: no such [2J host - tries again in 0.25 s
    2.000  registered   at coaps://s as /rd/1
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTableIsAligned(t *testing.T) {
	var out bytes.Buffer
	p := &human{out: &out}
	p.summary([]result{
		{Code: 7, Name: "ConnectNetworkError", Provoked: "x", Attempts: 3, DelaysMS: []int64{200, 400}, Recovered: true, RecoveredInMS: new(int64(650))},
		{Code: 12, Name: "ConnectSecureConnectionFailed", Provoked: "longer", Attempts: 1, DelaysMS: []int64{}, Failure: "y"},
	}, 5*time.Second)
	lines := strings.Split(out.String(), "\n")
	for _, word := range []string{"provoked by", "attempts", "result"} {
		column := strings.Index(lines[1], word)
		for _, line := range lines[2:4] {
			if column < 1 || line[column-1] != ' ' || line[column] == ' ' {
				t.Errorf("column %q at %d:\n%s", word, column, out.String())
			}
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("plain output has colours")
	}
	if !strings.Contains(out.String(), "1 of 2 errors recovered") {
		t.Error(out.String())
	}
}

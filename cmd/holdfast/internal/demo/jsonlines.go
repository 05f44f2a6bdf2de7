package demo

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// jsonLines prints one JSON object a line: events, results, and a summary at
// the end. Errors of the output are ignored.
type jsonLines struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func newJSONLines(out io.Writer) *jsonLines {
	p := &jsonLines{encoder: json.NewEncoder(out)}
	p.encoder.SetEscapeHTML(false)
	return p
}

func (p *jsonLines) print(v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.encoder.Encode(v)
}

// listed is a scenario of --list.
type listed struct {
	Type     string             `json:"type"` // "demo_scenario"
	Code     holdfast.ErrorCode `json:"code,omitzero"`
	Name     string             `json:"name,omitempty"`
	Scenario string             `json:"scenario"`
	Provoked string             `json:"provoked"`
}

// total is the last line.
type total struct {
	Type      string `json:"type"` // "demo_summary"
	Scenarios int    `json:"scenarios"`
	Recovered int    `json:"recovered"`
	TookMS    int64  `json:"took_ms"`
}

func (p *jsonLines) list(all []scenario) {
	for _, s := range all {
		p.print(listed{Type: "demo_scenario", Code: s.code, Name: s.errorName(), Scenario: s.name, Provoked: s.provoked})
	}
}

func (p *jsonLines) summary(results []result, took time.Duration) {
	p.print(total{Type: "demo_summary", Scenarios: len(results), Recovered: recoveries(results), TookMS: took.Milliseconds()})
}

func (p *jsonLines) event(e holdfast.Event)      { p.print(e) }
func (p *jsonLines) result(r result)             { p.print(r) }
func (p *jsonLines) intro([aSession + 1]int)     {}
func (p *jsonLines) headline(int, int, scenario) {}
func (p *jsonLines) follow(string)               {}
func (p *jsonLines) say(string)                  {}
func (p *jsonLines) closing()                    {}

// recoveries counts the scenarios that ended well.
func recoveries(results []result) int {
	n := 0
	for _, r := range results {
		if r.Recovered {
			n++
		}
	}
	return n
}

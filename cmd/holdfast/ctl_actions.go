package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
)

const (
	mediaJSON   = "application/json"
	mediaText   = "text/plain"
	mediaEvents = "text/event-stream"
)

// ctlDo carries out one action of ctl.
func (p *program) ctlDo(c *ctlClient, action string, asJSON bool) int {
	switch action {
	case "events":
		return p.streaming(func(p *program) int { return p.ctlEvents(c, asJSON) })
	case "status":
		return p.ctlStatus(c, asJSON)
	case "explain":
		return p.ctlExplain(c, asJSON)
	}
	return p.ctlCall(c, action, asJSON)
}

// ctlGet fetches what the client says about itself.
func (p *program) ctlGet(c *ctlClient, path, accept string) (body []byte, ok bool) {
	status, body, err := c.fetch(p.ctx, http.MethodGet, path, accept)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", c.address, http.StatusText(status), strings.TrimSpace(printable(string(body))))
	}
	if err != nil {
		p.complain("%v", err)
	}
	return body, err == nil
}

func (p *program) ctlExplain(c *ctlClient, asJSON bool) int {
	accept := mediaText
	if asJSON {
		accept = mediaJSON
	}
	body, ok := p.ctlGet(c, "/v1/explain", accept)
	if !ok {
		return exitFailed
	}
	_, _ = p.stdout.Write(body) // whoever asked has gone
	return exitDone
}

func (p *program) ctlStatus(c *ctlClient, asJSON bool) int {
	body, ok := p.ctlGet(c, "/v1/status", mediaJSON)
	if !ok {
		return exitFailed
	}
	if asJSON {
		_, _ = p.stdout.Write(body) // whoever asked has gone
		return exitDone
	}
	var status ctlStatus
	if err := json.Unmarshal(body, &status); err != nil {
		p.complain("%s does not answer as a client does: %v", c.address, err)
		return exitFailed
	}
	fmt.Fprint(p.stdout, status)
	return exitDone
}

// ctlStatus is what ctl needs of the answer to GET /v1/status.
type ctlStatus struct {
	Time        time.Time             `json:"time"`
	Endpoint    string                `json:"endpoint"`
	State       holdfast.State        `json:"state"`
	Since       time.Time             `json:"since"`
	Trouble     *holdfast.Trouble     `json:"trouble"`
	Connections []holdfast.Connection `json:"connections"`
}

// String puts the status on one line for the client, and one for each account.
func (s ctlStatus) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s  %s", printable(s.Endpoint), s.State)
	if !s.Since.IsZero() {
		fmt.Fprintf(&out, " for %s", duration(s.Time.Sub(s.Since)))
	}
	out.WriteByte('\n')
	if s.Trouble != nil {
		fmt.Fprintf(&out, "  %-12s %s\n", "store", troubleText(s.Trouble))
	}
	for _, c := range s.Connections {
		text := joined(", ", string(c.State)+" "+c.Server, c.Location, nextText(c))
		if c.Trouble != nil {
			text += ": " + troubleText(c.Trouble)
		}
		fmt.Fprintf(&out, "  %-12s %s\n", printable(c.Account), printable(text))
	}
	return out.String()
}

func troubleText(t *holdfast.Trouble) string {
	text := count(int(t.Failures), "failure") + " running"
	if t.Error != nil {
		text += fmt.Sprintf(", %s (%d)", printable(t.Error.Name), t.Error.Code)
	}
	return text
}

func nextText(c holdfast.Connection) string {
	if c.Next == nil {
		return ""
	}
	return fmt.Sprintf("%s in %s", c.Next.Action, duration(c.Next.In))
}

// ctlEvents prints events until the client is closed or somebody stops it.
func (p *program) ctlEvents(c *ctlClient, asJSON bool) int {
	response, err := c.request(p.ctx, http.MethodGet, "/v1/events", mediaEvents)
	if err != nil {
		p.complain("%v", err)
		return exitFailed
	}
	defer response.Body.Close() // it is only read
	if response.StatusCode != http.StatusOK {
		p.complain("%s answered %s", c.address, http.StatusText(response.StatusCode))
		return exitFailed
	}
	show := p.eventPrinter(asJSON)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		data, isEvent := strings.CutPrefix(lines.Text(), "data: ")
		var e holdfast.Event
		if isEvent && json.Unmarshal([]byte(data), &e) == nil {
			show(e)
		}
		if reason, isComment := strings.CutPrefix(lines.Text(), ": dropped"); isComment {
			p.complain("the stream was cut%s", printable(reason))
			return exitFailed
		}
	}
	if err := lines.Err(); err != nil && p.ctx.Err() == nil {
		p.complain("the stream of events broke off: %v", err)
		return exitFailed
	}
	return exitDone
}

// ctlAnswer is the answer to a call.
type ctlAnswer struct {
	OK     bool   `json:"ok"`
	Code   int    `json:"code"`
	Name   string `json:"name"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy"`
}

// ctlCall asks the client to do something.
func (p *program) ctlCall(c *ctlClient, action string, asJSON bool) int {
	status, body, err := c.fetch(p.ctx, http.MethodPost, "/v1/"+action, mediaJSON)
	if err != nil {
		p.complain("%v", err)
		return exitFailed
	}
	if asJSON {
		_, _ = p.stdout.Write(body) // whoever asked has gone
	}
	var answer ctlAnswer
	if json.Unmarshal(body, &answer) != nil {
		answer = ctlAnswer{Name: http.StatusText(status)}
	}
	switch {
	case status != http.StatusOK:
		p.complain("%s", printable(joined(" - ", joined(": ", codeText(answer), answer.Detail), answer.Remedy)))
		return exitFailed
	case !asJSON:
		fmt.Fprintln(p.stdout, printable(joined(", ", action+": done", codeText(answer))))
	}
	return exitDone
}

func codeText(a ctlAnswer) string {
	if a.Code == 0 {
		return a.Name
	}
	return fmt.Sprintf("%s (%d)", a.Name, a.Code)
}

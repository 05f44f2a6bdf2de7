package main

import (
	"cmp"
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
func (p *program) ctlDo(c *ctlClient, action string, o ctlOptions) int {
	switch action {
	case "events":
		return p.streaming(func(p *program) int { return p.ctlEvents(c, o.json) })
	case "status":
		return p.ctlStatus(c, o.json)
	case "explain":
		return p.ctlExplain(c, o.json)
	}
	return p.ctlCall(c, action, o)
}

// ctlGet fetches what the client says about itself.
func (p *program) ctlGet(c *ctlClient, path, accept string) (body []byte, ok bool) {
	status, body, err := c.look(p.ctx, path, accept)
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

// ctlStatus prints the status. It fails where the client is not registered with
// every management server, as GET /readyz does.
func (p *program) ctlStatus(c *ctlClient, asJSON bool) int {
	body, ok := p.ctlGet(c, "/v1/status", mediaJSON)
	if !ok {
		return exitFailed
	}
	var status ctlStatus
	err := json.Unmarshal(body, &status)
	switch {
	case asJSON:
		_, _ = p.stdout.Write(body) // whoever asked has gone
	case err != nil:
		p.complain("%s does not answer as a client does: %v", c.address, err)
	default:
		fmt.Fprint(p.stdout, status)
	}
	if err != nil || status.State != holdfast.Registered {
		return exitFailed
	}
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

	Firmware *holdfast.FirmwareStatus `json:"firmware"`
	Network  *holdfast.NetworkStatus  `json:"network"`
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
	if s.Network != nil {
		fmt.Fprintf(&out, "  %-12s %s\n", "network", printable(networkText(s.Network)))
	}
	for _, c := range s.Connections {
		text := joined(", ", s.stateText(c)+" "+c.Server, c.Location, nextText(c))
		if c.Trouble != nil {
			text += ": " + troubleText(c.Trouble)
		}
		fmt.Fprintf(&out, "  %-12s %s\n", printable(c.Account), printable(text))
	}
	if s.Firmware != nil && s.Firmware.Object != 0 {
		text := joined(": ", s.Firmware.String(), s.Firmware.Detail)
		fmt.Fprintf(&out, "  %-12s %s\n", "firmware", printable(text))
	}
	return out.String()
}

// networkText says which interface is used, and why.
func networkText(s *holdfast.NetworkStatus) string {
	return joined(": ", cmp.Or(s.Interface, "none of "+strings.Join(s.Interfaces, ", ")), s.Reason)
}

// stateText says of an account that has nothing to do, such as a bootstrap account
// while nobody needs one, that it is idle: it starts only with the client.
func (s ctlStatus) stateText(c holdfast.Connection) string {
	if !c.DisabledUntil.IsZero() && c.State == holdfast.Waiting {
		return "disabled by the server until " + c.DisabledUntil.Local().Format(time.DateTime)
	}
	if c.State == holdfast.Starting && s.State != holdfast.Starting {
		return "idle"
	}
	return joined(", ", string(c.State), c.QueueMode)
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
	stream, err := c.stream(p.ctx)
	if err != nil {
		p.complain("%v", err)
		return exitFailed
	}
	defer stream.end()
	show := p.eventPrinter(asJSON)
	for e := range stream.events {
		show(e)
	}
	if err := stream.err(); err != nil && p.ctx.Err() == nil {
		p.complain("%v", err)
		return exitFailed
	}
	return exitDone
}

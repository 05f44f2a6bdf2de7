package scenario

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// wire puts datagrams into words. Message IDs and tokens, which are random, are
// replaced by numbers in the order of their appearance.
type wire struct {
	ids    map[identity]string
	counts map[string]int
	sent   map[transmission][]byte // to tell what is sent again
	paths  map[identity]string     // of requests, by token: what a response is about
}

// identity is a message ID or token of one side of one conversation.
type identity struct {
	client, server netip.AddrPort
	byClient       bool // who chose it
	value          string
}

// transmission is a message ID in one direction: the message that has it, or what
// is said about that message.
type transmission struct {
	mid        identity
	fromClient bool
}

func newWire() *wire {
	return &wire{
		ids: map[identity]string{}, counts: map[string]int{}, sent: map[transmission][]byte{}, paths: map[identity]string{},
	}
}

// describe puts one datagram into words.
func (w *wire) describe(p lwm2mtest.Packet, fromClient bool) string {
	client, server := p.From, p.To
	if !fromClient {
		client, server = p.To, p.From
	}
	if server.Port() == dtlsPort {
		return describeRecords(p.Data)
	}
	m, err := coap.Decode(p.Data)
	if err != nil {
		return fmt.Sprintf("no CoAP message: %x", p.Data)
	}
	by := fromClient == (m.Type == coap.CON || m.Type == coap.NON)
	mid := identity{client, server, by, fmt.Sprint("mid ", m.MID)}
	label, sent := w.number(mid), transmission{mid, fromClient}
	if bytes.Equal(w.sent[sent], p.Data) {
		return w.brief(m) + " [" + label + "] again"
	}
	w.sent[sent] = p.Data
	token := identity{client, server, m.IsRequest() == fromClient, fmt.Sprintf("token %x", m.Token)}
	return w.message(m, label, token)
}

// number labels a message ID: c1, c2 ... for what the client chose.
func (w *wire) number(id identity) string {
	if label := w.ids[id]; label != "" {
		return label
	}
	side := "s"
	if id.byClient {
		side = "c"
	}
	key := side + id.server.Addr().String()
	w.counts[key]++
	w.ids[id] = fmt.Sprint(side, w.counts[key])
	return w.ids[id]
}

// brief is a message without its content.
func (w *wire) brief(m coap.Message) string {
	text := m.Type.String()
	switch {
	case m.IsEmpty():
		return text
	case m.IsRequest():
		return text + " " + methods[m.Code] + " /" + strings.Join(m.Path(), "/")
	}
	return text + " " + m.Code.String()
}

var methods = map[messages.CoAPCode]string{
	messages.GET: "GET", messages.PUT: "PUT", messages.POST: "POST", messages.DELETE: "DELETE",
	messages.FETCH: "FETCH", messages.IPATCH: "IPATCH",
}

func (w *wire) message(m coap.Message, mid string, token identity) string {
	text := w.brief(m)
	if q := m.Query(); len(q) > 0 {
		text += "?" + strings.Join(q, "&")
	}
	if location := m.Strings(coap.LocationPath); len(location) > 0 {
		text += " /" + strings.Join(location, "/")
	}
	ids := mid
	if m.IsRequest() {
		w.paths[token] = "/" + strings.Join(m.Path(), "/")
	} else if m.IsResponse() && m.Type != coap.ACK {
		ids += " answers " + w.paths[token]
	}
	return text + " [" + ids + "]" + describeOptions(m) + w.content(m, token)
}

// describeOptions names the options that the line does not show elsewhere.
func describeOptions(m coap.Message) (text string) {
	if v, ok := m.Uint(coap.MaxAge); ok {
		text += fmt.Sprintf(" max-age=%d", v)
	}
	if b, ok := m.Block(coap.Block1); ok {
		text += " block1=" + b.String()
	}
	if b, ok := m.Block(coap.Block2); ok {
		text += " block2=" + b.String()
	}
	if m.Has(coap.Echo) {
		text += " echo"
	}
	return text
}

// content shows a payload as far as it is for people, and no secret.
func (w *wire) content(m coap.Message, token identity) string {
	format := m.Format(coap.ContentFormat)
	switch {
	case len(m.Payload) == 0:
		return ""
	case format == nil, *format == messages.FormatText:
		return fmt.Sprintf(" %q", m.Payload)
	case *format == messages.FormatLinkFormat:
		return " " + string(m.Payload)
	}
	path := "/" + strings.Join(m.Path(), "/")
	switch {
	case !m.IsRequest():
		path = w.paths[token]
	case path == "/dp": // a Send, which has whole paths
		path = "/"
	}
	payload, err := lwm2mtest.Response{Code: m.Code, Format: format, Payload: m.Payload}.Decode(path, registry)
	if err != nil {
		return fmt.Sprintf(" %d bytes of format %d", len(m.Payload), *format)
	}
	return describeNodes(payload)
}

func describeNodes(p lwm2m.Payload) string {
	var text strings.Builder
	for _, node := range p.Nodes {
		fmt.Fprintf(&text, " %v=%s", node.Path, describeValue(node))
	}
	return text.String()
}

// describeValue leaves out identities and keys.
func describeValue(node lwm2m.Node) string {
	at := node.Path
	if at.Object() == objects.Security && slices.Contains(secrets, at.Resource()) {
		return fmt.Sprintf("(%d bytes)", len(node.Value.Bytes()))
	}
	return node.Value.String()
}

// secrets are the resources of the Security object that hold them.
var secrets = []uint16{
	objects.SecurityPublicKeyOrIdentity, objects.SecurityServerPublicKey, objects.SecuritySecretKey,
}

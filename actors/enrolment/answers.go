package enrolment

import (
	"crypto/x509"
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/est"
	"github.com/holdfast-iot/holdfast/internal/outcome"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

var (
	errNoFormat = errors.New("the answer of the EST server has no content format")
	errNoServer = errors.New("the server names no resources for enrolment")
)

func (m *Machine) response(now time.Time, in messages.Response) []core.Effect {
	if outcome.Challenged(in) && !m.challenged {
		again := m.last
		again.Echo = in.Echo
		return m.send(again)
	}
	switch m.state {
	case Fetching:
		return m.fetched(in)
	case Asking:
		return m.issued(now, in)
	case Discovering:
		return m.discovered(in)
	}
	return nil
}

// fetched takes the server's authorities. A server that tells nobody of them may enrol all
// the same; one that has a trouble, or asks for time, is asked again later.
func (m *Machine) fetched(in messages.Response) []core.Effect {
	switch {
	case in.Code.Class() == 4 && in.Code != messages.TooManyRequests:
		return m.ask()
	case !in.Code.IsSuccess():
		return m.fail(outcome.Rejected(in))
	}
	anchors, err := decode(in)
	if err != nil {
		return m.fail(messages.Failure{Class: messages.ClassBadAnswer, Cause: err})
	}
	m.anchors = anchors
	return m.ask()
}

func decode(in messages.Response) ([]*x509.Certificate, error) {
	if in.ContentFormat == nil {
		return nil, errNoFormat
	}
	return est.Decode(*in.ContentFormat, in.Payload)
}

// issued takes the answer to the request. Where there is no such resource, the server may
// have it elsewhere; where it does not have PKCS #7, it may have the certificate alone.
func (m *Machine) issued(now time.Time, in messages.Response) []core.Effect {
	switch {
	case in.Code == messages.NotFound && !m.found:
		return m.discover()
	case in.Code == messages.NotAcceptable && m.accept == est.FormatCertsOnly:
		m.accept = est.FormatCertificate
		return m.ask()
	case !in.Code.IsSuccess():
		return m.fail(outcome.Rejected(in))
	}
	answer, err := decode(in)
	var chain [][]byte
	if err == nil {
		chain, err = m.request.Accept(answer, m.anchors, validity.Clock{Now: m.config.Wall.At(now), Known: m.begin.Known})
	}
	if err != nil {
		return m.fail(messages.Failure{Class: messages.ClassBadAnswer, Cause: err})
	}
	return m.end(m.tell(messages.Enrolled{Epoch: m.begin.Epoch, Key: m.request.Key, Chain: chain}))
}

// discovered takes where the resources are, and begins anew there.
func (m *Machine) discovered(in messages.Response) []core.Effect {
	root, found := est.Root(in.Payload, m.resource())
	if !in.Code.IsSuccess() || !found {
		return m.fail(messages.Failure{Class: messages.ClassRejected, Answer: messages.NotFound, Cause: errNoServer})
	}
	m.root, m.anchors = root, nil
	return m.fetch()
}

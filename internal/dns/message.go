package dns

import (
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// ednsSize is the length of answers that EDNS asks for: what passes without
	// fragments nearly everywhere (DNS flag day 2020).
	ednsSize = 1232
	// maxAnswers bounds the addresses that are taken from one answer.
	maxAnswers = 64
)

// question is one name in one family.
type question struct {
	name   dnsmessage.Name
	family dnsmessage.Type // TypeA or TypeAAAA
}

var errName = errors.New("not a domain name")

// newQuestion asks for a fully qualified name, without its last dot.
func newQuestion(name string, family dnsmessage.Type) (question, error) {
	qualified, err := dnsmessage.NewName(name + ".")
	if err != nil || !isDomainName(name) {
		return question{}, errName
	}
	return question{name: qualified, family: family}, nil
}

// isDomainName reports whether a name has labels of 1 to 63 bytes, 253 in all (RFC
// 1035 section 2.3.4).
func isDomainName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return true
}

// query encodes the question.
func (q question) query(id uint16, edns bool) ([]byte, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(dnsmessage.Question{Name: q.name, Type: q.family, Class: dnsmessage.ClassINET}); err != nil {
		return nil, err
	}
	if !edns {
		return b.Finish()
	}
	if err := b.StartAdditionals(); err != nil {
		return nil, err
	}
	var h dnsmessage.ResourceHeader
	if err := h.SetEDNS0(ednsSize, dnsmessage.RCodeSuccess, false); err != nil {
		return nil, err
	}
	if err := b.OPTResource(h, dnsmessage.OPTResource{}); err != nil {
		return nil, err
	}
	return b.Finish()
}

// answer is what a name server said.
type answer struct {
	code      dnsmessage.RCode
	addrs     []netip.Addr
	alias     dnsmessage.Name // where the chain of aliases ends; the name asked for where there is none
	truncated bool
	lame      bool // it refers to other servers instead of asking them
}

// parse reads the answer to the question with that ID. It reports false for every
// other message, which nobody has asked for: a forged one, or a late one.
func (q question) parse(id uint16, message []byte) (a answer, ours bool) {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || !h.Response || h.ID != id {
		return answer{}, false
	}
	asked, err := p.Question()
	switch {
	case err == nil && !q.is(asked):
		return answer{}, false
	case err != nil && h.RCode == dnsmessage.RCodeSuccess:
		return answer{}, false
	case err != nil: // FORMERR may come without the question
		return answer{code: h.RCode}, true
	}
	a = answer{code: h.RCode, alias: q.name, truncated: h.Truncated}
	if p.SkipAllQuestions() != nil {
		return a, true
	}
	whole := a.take(&p, q.family)
	a.truncated = a.truncated || !whole
	a.lame = whole && a.empty() && !h.Authoritative && !h.RecursionAvailable && refers(&p)
	return a, true
}

func (q question) is(asked dnsmessage.Question) bool {
	return asked.Type == q.family && asked.Class == dnsmessage.ClassINET &&
		sameName(asked.Name, q.name)
}

func sameName(a, b dnsmessage.Name) bool { return strings.EqualFold(a.String(), b.String()) }

// empty reports whether the name exists and has no address in this family.
func (a answer) empty() bool { return a.code == dnsmessage.RCodeSuccess && len(a.addrs) == 0 }

// take collects the addresses at the end of whatever aliases there are, and
// reports whether the section was read whole.
func (a *answer) take(p *dnsmessage.Parser, family dnsmessage.Type) (whole bool) {
	for len(a.addrs) < maxAnswers {
		h, err := p.AnswerHeader()
		if err != nil {
			return errors.Is(err, dnsmessage.ErrSectionDone)
		}
		addr, err := a.record(p, h, family)
		if err != nil {
			return false
		}
		if addr.IsValid() {
			a.addrs = append(a.addrs, addr)
		}
	}
	return true
}

// record reads one record; the address is invalid where the record holds none.
func (a *answer) record(p *dnsmessage.Parser, h dnsmessage.ResourceHeader, family dnsmessage.Type) (netip.Addr, error) {
	switch {
	case h.Class == dnsmessage.ClassINET && h.Type == dnsmessage.TypeCNAME && sameName(h.Name, a.alias):
		r, err := p.CNAMEResource()
		a.alias = r.CNAME
		return netip.Addr{}, err
	case h.Class != dnsmessage.ClassINET || h.Type != family:
		return netip.Addr{}, p.SkipAnswer()
	case family == dnsmessage.TypeA:
		r, err := p.AResource()
		return netip.AddrFrom4(r.A), err
	}
	r, err := p.AAAAResource()
	return netip.AddrFrom16(r.AAAA), err
}

// refers reports whether the authority section names servers.
func refers(p *dnsmessage.Parser) bool {
	h, err := p.AuthorityHeader()
	return err == nil && h.Type == dnsmessage.TypeNS
}

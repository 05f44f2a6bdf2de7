package management

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// The Certificate Enrolment object (35011) has one instance with one resource: a server that
// executes it has the certificate of its account renewed. The supervisor decides.

// enrolmentDef is what is served of object 35011.
var enrolmentDef = objects.CertificateEnrolmentDef()

// Object 35011 with its instance, and without: neither is ever changed.
var (
	enrolmentThere = func() *lwm2m.Tree {
		tree := lwm2m.NewTree()
		tree.PutInstance(objects.CertificateEnrolment, lwm2m.Instance{})
		return tree
	}()
	enrolmentAbsent = lwm2m.NewTree()
)

// enrolmentTree is object 35011 beside the accounts of a model.
func enrolmentTree(model *lwm2m.Tree) *lwm2m.Tree {
	if renewable(model) {
		return enrolmentThere
	}
	return enrolmentAbsent
}

// renews reports whether an object is the client's own Certificate Enrolment object.
func (o *served) renews() bool { return o.app == nil && o.id == objects.CertificateEnrolment }

// renewable reports whether there is a certificate that can be renewed: by a bootstrap, or,
// with security mode 4, by an enrolment at a bootstrap server with security.
func renewable(model *lwm2m.Tree) bool {
	var modes []int64 // of the management accounts
	bootstrap, secure := false, false
	for _, inst := range model.Instances(objects.Security) {
		mode, _ := model.Value(lwm2m.PathOf(objects.Security, inst, objects.SecurityMode))
		if v, _ := model.Value(lwm2m.PathOf(objects.Security, inst, objects.SecurityBootstrapServer)); v.Bool() {
			bootstrap, secure = true, mode.Int() != objects.ModeNoSec
			continue
		}
		modes = append(modes, mode.Int())
	}
	return bootstrap && slices.Contains(modes, objects.ModeX509) || secure && slices.Contains(modes, objects.ModeEST)
}

// ownCertificate is the name that the reference client has for the certificate of the
// account, in argument 0. Without an argument it is meant, too.
const ownCertificate = "LWM2M"

// Names of what no server may have renewed: the credentials of the bootstrap account.
var bootstrapNames = []string{"mbed.BootstrapDeviceCert", "mbed.BootstrapDevicePrivateKey"}

// The refusals begin with the status that the resource of the reference client would have.
var (
	renewalInput     = refuse(messages.BadRequest, "0x0506: name the certificate in argument 0, or give none")
	renewalUnknown   = refuse(messages.NotFound, "0x0504: there is no such certificate: it is LWM2M")
	renewalForbidden = refuse(messages.Unauthorized, "0x050e: the bootstrap account's certificate is not renewed")
)

// renew has the certificate of the server's account renewed. The answer comes when it is
// known whether it will be.
func (s session) renew(r *task, args lwm2m.Arguments) answer {
	if refusal := judgeName(args); refusal != nil {
		return *refusal
	}
	if refusal := s.admit(s.peer, r.object); refusal != nil {
		return *refusal
	}
	j, timer := s.begin(&r.in)
	j.renews = true
	return answer{later: []core.Effect{timer, tell(messages.RenewCertificate{Epoch: j.epoch, ID: j.id})}}
}

// judgeName refuses any arguments but the name of the account's certificate.
func judgeName(args lwm2m.Arguments) *answer {
	if len(args) == 0 {
		return nil
	}
	name, given := args.Value(0)
	switch {
	case len(args) > 1 || !given || name == "":
		return renewalInput
	case slices.Contains(bootstrapNames, name):
		return renewalForbidden
	case name != ownCertificate:
		return renewalUnknown
	}
	return nil
}

// renewalJudged answers a server that wants its certificate renewed.
func (m *Machine) renewalJudged(in messages.RenewalJudged) []core.Effect {
	j := m.jobs[in.ID]
	if j == nil || !j.renews || j.epoch != in.Epoch {
		return nil
	}
	if in.Code != messages.Changed {
		return m.finish(j, *refuse(in.Code, in.Detail))
	}
	return m.finish(j, answer{Answer: answers.Done(in.Code)})
}

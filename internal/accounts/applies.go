package accounts

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// unused are the resources of a Security instance that this client has no use for,
// whatever the account: SMS, OSCORE and COSE, MQTT, RDS, and what is about TLS lists
// that it does not keep.
var unused = map[uint16]bool{
	objects.SecuritySMSSecurityMode: true, objects.SecuritySMSBindingKeyParameters: true,
	objects.SecuritySMSBindingSecretKeys: true, objects.SecurityServerSMSNumber: true,
	objects.SecurityOSCORESecurityMode: true, objects.SecurityGroupsToUseByClient: true,
	objects.SecuritySignatureAlgorithmsSupportedByServer: true, objects.SecuritySignatureAlgorithmsToUseByClient: true,
	objects.SecuritySignatureAlgorithmCertsSupportedByServer: true, objects.SecurityTLS13FeaturesToUseByClient: true,
	objects.SecurityTLSExtensionsSupportedByServer: true, objects.SecurityTLSExtensionsToUseByClient: true,
	objects.SecuritySecondaryServerURI: true, objects.SecurityMQTTServer: true, objects.SecurityCOSESecurity: true,
	objects.SecurityRDSDestinationPort: true, objects.SecurityRDSSourcePort: true, objects.SecurityRDSApplicationID: true,
}

// applies reports whether a resource means something in its account, as it will be
// with a payload. What does not is neither used nor checked: servers write a short
// server ID of 0 to the bootstrap account, and SMS keys of whatever length.
func (t *Transaction) applies(path lwm2m.Path, p lwm2m.Payload) bool {
	if path.Object() != objects.Security {
		return true
	}
	will := func(id uint16) lwm2m.Value { return t.becomes(path.Prefix(2).Child(id), p) }
	switch id := path.Resource(); id {
	case objects.SecurityShortServerID:
		return !will(objects.SecurityBootstrapServer).Bool()
	case objects.SecurityClientHoldOffTime, objects.SecurityBootstrapServerAccountTimeout:
		return will(objects.SecurityBootstrapServer).Bool()
	case objects.SecurityMatchingType, objects.SecuritySNI, objects.SecurityCertificateUsage:
		return will(objects.SecurityMode).Int() == objects.ModeX509
	default:
		return !unused[id]
	}
}

// becomes returns the value that a resource has with a payload: the payload's, else
// the one that is there.
func (t *Transaction) becomes(path lwm2m.Path, p lwm2m.Payload) lwm2m.Value {
	for _, n := range p.Nodes {
		if n.Path == path {
			return n.Value
		}
	}
	v, _ := t.work.Value(path)
	return v
}

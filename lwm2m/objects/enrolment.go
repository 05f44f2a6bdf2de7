package objects

import "github.com/holdfast-iot/holdfast/lwm2m"

// EnrolmentRenew is the one resource of the Certificate Enrolment object, /35011.
const EnrolmentRenew = 27002

// CertificateEnrolmentDef is the definition of object /35011, version 1.0, of the reference
// client: executing its resource has a certificate renewed. The registry of the OMA does not
// have it.
func CertificateEnrolmentDef() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{
		ID: CertificateEnrolment, Name: "Certificate Enrolment", Version: "1.0",
		Resources: []lwm2m.ResourceDef{
			{ID: EnrolmentRenew, Name: "Enroll", Kind: lwm2m.KindNone, Operations: execute, Mandatory: true},
		},
	}
}

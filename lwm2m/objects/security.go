package objects

import "github.com/holdfast-iot/holdfast/lwm2m"

// Resource IDs of the Security object, /0.
const (
	SecurityServerURI                                = 0
	SecurityBootstrapServer                          = 1
	SecurityMode                                     = 2
	SecurityPublicKeyOrIdentity                      = 3
	SecurityServerPublicKey                          = 4
	SecuritySecretKey                                = 5
	SecuritySMSSecurityMode                          = 6
	SecuritySMSBindingKeyParameters                  = 7
	SecuritySMSBindingSecretKeys                     = 8
	SecurityServerSMSNumber                          = 9
	SecurityShortServerID                            = 10
	SecurityClientHoldOffTime                        = 11
	SecurityBootstrapServerAccountTimeout            = 12
	SecurityMatchingType                             = 13
	SecuritySNI                                      = 14
	SecurityCertificateUsage                         = 15
	SecurityCipherSuite                              = 16
	SecurityOSCORESecurityMode                       = 17
	SecurityGroupsToUseByClient                      = 18
	SecuritySignatureAlgorithmsSupportedByServer     = 19
	SecuritySignatureAlgorithmsToUseByClient         = 20
	SecuritySignatureAlgorithmCertsSupportedByServer = 21
	SecurityTLS13FeaturesToUseByClient               = 22
	SecurityTLSExtensionsSupportedByServer           = 23
	SecurityTLSExtensionsToUseByClient               = 24
	SecuritySecondaryServerURI                       = 25
	SecurityMQTTServer                               = 26
	SecurityCOSESecurity                             = 27
	SecurityRDSDestinationPort                       = 28
	SecurityRDSSourcePort                            = 29
	SecurityRDSApplicationID                         = 30
)

// SecurityDef is the definition of object /0, version 1.2.
func SecurityDef() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{
		ID: Security, Name: "LWM2M Security", Version: "1.2", Multiple: true, Mandatory: true,
		Resources: []lwm2m.ResourceDef{
			{ID: SecurityServerURI, Name: "LWM2M Server URI", Kind: lwm2m.KindString, Mandatory: true, Range: lwm2m.Range{Min: 0, Max: 255}},
			{ID: SecurityBootstrapServer, Name: "Bootstrap-Server", Kind: lwm2m.KindBoolean, Mandatory: true},
			{ID: SecurityMode, Name: "Security Mode", Kind: lwm2m.KindInteger, Mandatory: true, Range: lwm2m.Range{Min: 0, Max: 4}},
			{ID: SecurityPublicKeyOrIdentity, Name: "Public Key or Identity", Kind: lwm2m.KindOpaque, Mandatory: true},
			{ID: SecurityServerPublicKey, Name: "Server Public Key", Kind: lwm2m.KindOpaque, Mandatory: true},
			{ID: SecuritySecretKey, Name: "Secret Key", Kind: lwm2m.KindOpaque, Mandatory: true},
			{ID: SecuritySMSSecurityMode, Name: "SMS Security Mode", Kind: lwm2m.KindInteger, Range: lwm2m.Range{Min: 0, Max: 255}},
			{ID: SecuritySMSBindingKeyParameters, Name: "SMS Binding Key Parameters", Kind: lwm2m.KindOpaque, Range: lwm2m.Range{Min: 6, Max: 6}},
			{ID: SecuritySMSBindingSecretKeys, Name: "SMS Binding Secret Key(s)", Kind: lwm2m.KindOpaque, Range: lwm2m.Range{Min: 16, Max: 48}},
			{ID: SecurityServerSMSNumber, Name: "LwM2M Server SMS Number", Kind: lwm2m.KindString},
			{ID: SecurityShortServerID, Name: "Short Server ID", Kind: lwm2m.KindInteger, Range: lwm2m.Range{Min: 1, Max: 65534}},
			{ID: SecurityClientHoldOffTime, Name: "Client Hold Off Time", Kind: lwm2m.KindInteger, Range: notNegative},
			{ID: SecurityBootstrapServerAccountTimeout, Name: "Bootstrap-Server Account Timeout", Kind: lwm2m.KindInteger, Range: notNegative},
			{ID: SecurityMatchingType, Name: "Matching Type", Kind: lwm2m.KindUnsigned, Range: lwm2m.Range{Min: 0, Max: 3}},
			{ID: SecuritySNI, Name: "SNI", Kind: lwm2m.KindString},
			{ID: SecurityCertificateUsage, Name: "Certificate Usage", Kind: lwm2m.KindUnsigned, Range: lwm2m.Range{Min: 0, Max: 3}},
			{ID: SecurityCipherSuite, Name: "DTLS/TLS Ciphersuite", Kind: lwm2m.KindUnsigned, Multiple: true},
			{ID: SecurityOSCORESecurityMode, Name: "OSCORE Security Mode", Kind: lwm2m.KindObjectLink},
			{ID: SecurityGroupsToUseByClient, Name: "Groups To Use by Client", Kind: lwm2m.KindUnsigned, Multiple: true, Range: lwm2m.Range{Min: 0, Max: 65535}},
			{ID: SecuritySignatureAlgorithmsSupportedByServer, Name: "Signature Algorithms Supported by Server", Kind: lwm2m.KindUnsigned, Multiple: true, Range: lwm2m.Range{Min: 0, Max: 65535}},
			{ID: SecuritySignatureAlgorithmsToUseByClient, Name: "Signature Algorithms To Use by Client", Kind: lwm2m.KindUnsigned, Multiple: true, Range: lwm2m.Range{Min: 0, Max: 65535}},
			{ID: SecuritySignatureAlgorithmCertsSupportedByServer, Name: "Signature Algorithm Certs Supported by Server", Kind: lwm2m.KindUnsigned, Multiple: true, Range: lwm2m.Range{Min: 0, Max: 65535}},
			{ID: SecurityTLS13FeaturesToUseByClient, Name: "TLS 1.3 Features To Use by Client", Kind: lwm2m.KindUnsigned, Range: lwm2m.Range{Min: 0, Max: 65535}},
			{ID: SecurityTLSExtensionsSupportedByServer, Name: "TLS Extensions Supported by Server", Kind: lwm2m.KindUnsigned, Range: lwm2m.Range{Min: 0, Max: 65535}},
			{ID: SecurityTLSExtensionsToUseByClient, Name: "TLS Extensions To Use by Client", Kind: lwm2m.KindUnsigned, Range: lwm2m.Range{Min: 0, Max: 65535}},
			{ID: SecuritySecondaryServerURI, Name: "Secondary LwM2M Server URI", Kind: lwm2m.KindString, Multiple: true, Range: lwm2m.Range{Min: 0, Max: 255}},
			{ID: SecurityMQTTServer, Name: "MQTT Server", Kind: lwm2m.KindObjectLink},
			{ID: SecurityCOSESecurity, Name: "LwM2M COSE Security", Kind: lwm2m.KindObjectLink, Multiple: true},
			{ID: SecurityRDSDestinationPort, Name: "RDS Destination Port", Kind: lwm2m.KindInteger, Range: lwm2m.Range{Min: 0, Max: 15}},
			{ID: SecurityRDSSourcePort, Name: "RDS Source Port", Kind: lwm2m.KindInteger, Range: lwm2m.Range{Min: 0, Max: 15}},
			{ID: SecurityRDSApplicationID, Name: "RDS Application ID", Kind: lwm2m.KindString},
		},
	}
}

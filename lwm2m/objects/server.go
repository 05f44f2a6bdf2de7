package objects

import "github.com/holdfast-iot/holdfast/lwm2m"

// Resource IDs of the Server object, /1.
const (
	ServerShortServerID                   = 0
	ServerLifetime                        = 1
	ServerDefaultMinimumPeriod            = 2
	ServerDefaultMaximumPeriod            = 3
	ServerDisable                         = 4
	ServerDisableTimeout                  = 5
	ServerNotificationStoring             = 6
	ServerBinding                         = 7
	ServerRegistrationUpdateTrigger       = 8
	ServerBootstrapRequestTrigger         = 9
	ServerAPNLink                         = 10
	ServerTLSAlertCode                    = 11
	ServerLastBootstrapped                = 12
	ServerRegistrationPriorityOrder       = 13
	ServerInitialRegistrationDelayTimer   = 14
	ServerRegistrationFailureBlock        = 15
	ServerBootstrapOnRegistrationFailure  = 16
	ServerCommunicationRetryCount         = 17
	ServerCommunicationRetryTimer         = 18
	ServerCommunicationSequenceDelayTimer = 19
	ServerCommunicationSequenceRetryCount = 20
	ServerTrigger                         = 21
	ServerPreferredTransport              = 22
	ServerMuteSend                        = 23
	ServerAlternateAPNLinks               = 24
	ServerSupportedServerVersions         = 25
	ServerDefaultNotificationMode         = 26
	ServerProfileIDHashAlgorithm          = 27
)

// ServerDef is the definition of object /1, version 1.2.
func ServerDef() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{
		ID: Server, Name: "LwM2M Server", Version: "1.2", Multiple: true, Mandatory: true,
		Resources: []lwm2m.ResourceDef{
			{ID: ServerShortServerID, Name: "Short Server ID", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Range: lwm2m.Range{Min: 1, Max: 65534}},
			{ID: ServerLifetime, Name: "Lifetime", Kind: lwm2m.KindInteger, Operations: readWrite, Mandatory: true, Range: notNegative, Details: seconds},
			{ID: ServerDefaultMinimumPeriod, Name: "Default Minimum Period", Kind: lwm2m.KindInteger, Operations: readWrite, Range: notNegative, Details: seconds},
			{ID: ServerDefaultMaximumPeriod, Name: "Default Maximum Period", Kind: lwm2m.KindInteger, Operations: readWrite, Range: notNegative, Details: seconds},
			{ID: ServerDisable, Name: "Disable", Kind: lwm2m.KindNone, Operations: execute},
			{ID: ServerDisableTimeout, Name: "Disable Timeout", Kind: lwm2m.KindInteger, Operations: readWrite, Range: notNegative, Details: seconds},
			{ID: ServerNotificationStoring, Name: "Notification Storing When Disabled or Offline", Kind: lwm2m.KindBoolean, Operations: readWrite, Mandatory: true},
			{ID: ServerBinding, Name: "Binding", Kind: lwm2m.KindString, Operations: readWrite, Mandatory: true},
			{ID: ServerRegistrationUpdateTrigger, Name: "Registration Update Trigger", Kind: lwm2m.KindNone, Operations: execute, Mandatory: true},
			{ID: ServerBootstrapRequestTrigger, Name: "Bootstrap-Request Trigger", Kind: lwm2m.KindNone, Operations: execute},
			{ID: ServerAPNLink, Name: "APN Link", Kind: lwm2m.KindObjectLink, Operations: readWrite},
			{ID: ServerTLSAlertCode, Name: "TLS-DTLS Alert Code", Kind: lwm2m.KindUnsigned, Operations: readOnly, Range: lwm2m.Range{Min: 0, Max: 255}},
			{ID: ServerLastBootstrapped, Name: "Last Bootstrapped", Kind: lwm2m.KindTime, Operations: readOnly},
			{ID: ServerRegistrationPriorityOrder, Name: "Registration Priority Order", Kind: lwm2m.KindUnsigned, Operations: readOnly},
			{ID: ServerInitialRegistrationDelayTimer, Name: "Initial Registration Delay Timer", Kind: lwm2m.KindUnsigned, Operations: readWrite, Details: seconds},
			{ID: ServerRegistrationFailureBlock, Name: "Registration Failure Block", Kind: lwm2m.KindBoolean, Operations: readOnly},
			{ID: ServerBootstrapOnRegistrationFailure, Name: "Bootstrap on Registration Failure", Kind: lwm2m.KindBoolean, Operations: readOnly},
			{ID: ServerCommunicationRetryCount, Name: "Communication Retry Count", Kind: lwm2m.KindUnsigned, Operations: readWrite},
			{ID: ServerCommunicationRetryTimer, Name: "Communication Retry Timer", Kind: lwm2m.KindUnsigned, Operations: readWrite, Details: seconds},
			{ID: ServerCommunicationSequenceDelayTimer, Name: "Communication Sequence Delay Timer", Kind: lwm2m.KindUnsigned, Operations: readWrite, Details: seconds},
			{ID: ServerCommunicationSequenceRetryCount, Name: "Communication Sequence Retry Count", Kind: lwm2m.KindUnsigned, Operations: readWrite},
			{ID: ServerTrigger, Name: "Trigger", Kind: lwm2m.KindBoolean, Operations: readWrite},
			{ID: ServerPreferredTransport, Name: "Preferred Transport", Kind: lwm2m.KindString, Operations: readWrite},
			{ID: ServerMuteSend, Name: "Mute Send", Kind: lwm2m.KindBoolean, Operations: readWrite},
			{ID: ServerAlternateAPNLinks, Name: "Alternate APN Links", Kind: lwm2m.KindObjectLink, Operations: readWrite, Multiple: true},
			{ID: ServerSupportedServerVersions, Name: "Supported Server Versions", Kind: lwm2m.KindString, Operations: readWrite, Multiple: true},
			{ID: ServerDefaultNotificationMode, Name: "Default Notification Mode", Kind: lwm2m.KindInteger, Operations: readWrite, Range: lwm2m.Range{Min: 0, Max: 1}},
			{ID: ServerProfileIDHashAlgorithm, Name: "Profile ID Hash Algorithm", Kind: lwm2m.KindUnsigned, Operations: readWrite, Range: lwm2m.Range{Min: 0, Max: 255}},
		},
	}
}

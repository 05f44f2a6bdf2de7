package objects

import "github.com/holdfast-iot/holdfast/lwm2m"

// Resource IDs of the Access Control object, /2.
const (
	AccessControlObjectID         = 0
	AccessControlObjectInstanceID = 1
	AccessControlACL              = 2
	AccessControlOwner            = 3
)

// OwnerBootstrap is the value of /2/x/3 for an instance that only a bootstrap
// changes.
const OwnerBootstrap = lwm2m.MaxID

// AnyInstance is the value of /2/x/1 for an instance that is about the right to
// create instances of the object.
const AnyInstance = lwm2m.MaxID

// AccessControlDef is the definition of object /2, version 1.1. The values of the ACL
// are 16 bits wide, as in version 1.0, of which five are in use: the others are
// reserved, and no reason to refuse a Write.
func AccessControlDef() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{
		ID: AccessControl, Name: "LwM2M Access Control", Version: "1.1", Multiple: true,
		Resources: []lwm2m.ResourceDef{
			{ID: AccessControlObjectID, Name: "Object ID", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Range: lwm2m.Range{Min: 1, Max: 65534}},
			{ID: AccessControlObjectInstanceID, Name: "Object Instance ID", Kind: lwm2m.KindInteger, Operations: readOnly, Mandatory: true, Range: lwm2m.Range{Min: 0, Max: 65535}},
			{ID: AccessControlACL, Name: "ACL", Kind: lwm2m.KindInteger, Operations: readWrite, Multiple: true, Range: lwm2m.Range{Min: 0, Max: 65535}},
			{ID: AccessControlOwner, Name: "Access Control Owner", Kind: lwm2m.KindInteger, Operations: readWrite, Mandatory: true, Range: lwm2m.Range{Min: 0, Max: 65535}},
		},
	}
}

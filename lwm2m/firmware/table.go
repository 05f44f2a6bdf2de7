package firmware

import "slices"

// Class says who learns of an error.
type Class uint8

// The classes. Each error is in exactly one of them.
const (
	// ClassInternal is for what the client deals with by itself, and what ends no update:
	// only the debug log has it.
	ClassInternal Class = iota + 1
	// ClassLogged is for what a person should know and the service is not told by a result:
	// the log has it at every level.
	ClassLogged
	// ClassReported is for what ends an update: the log has it, and the service is told by
	// /5/0/5 and /10252/0/3.
	ClassReported
)

// String returns the class in a word, for documents and logs.
func (c Class) String() string {
	names := [...]string{"none", "internal", "logged", "reported"}
	if int(c) < len(names) {
		return names[c]
	}
	return names[0]
}

// Family is one numbering of results. The client reports the numbers of [FamilyNewest] and
// [FamilyObject5]; the others are those of older clients, for services that know them.
type Family uint8

// The families.
const (
	FamilyNewest   Family = iota + 1 // of the reference client since 4.6, called FOTA: 18 and 21 to 49
	FamilyObject5                    // of /5/0/5: 0 to 11
	FamilyHub                        // of the reference client's update hub, from 3.0 on: 100 to 512, UPD4_ in a portal
	FamilyOldest                     // of the reference client before that, and of the OMA registry: 0 to 19, UPD2_ in a portal
	FamilyInternal                   // -80 to -89: errors of the reference client that it never reports
)

// String returns what documents call the family.
func (f Family) String() string {
	names := [...]string{"none", "newest", "object 5", "hub", "oldest", "internal"}
	if int(f) < len(names) {
		return names[f]
	}
	return names[0]
}

// Row is one result of one family.
type Row struct {
	Number  int
	Name    string // in capitals; that of the reference client where it has one
	Meaning string // in our words
	Remedy  string // what a person can do, in our words
	Result  Result // that says the same in the newest family; ResultNone where nothing is reported
	Object5 int64  // the value of /5/0/5 that says the same
	// Unreachable is why this client is never in the situation that the row is for, of its
	// own accord; empty when it can be. An [Installer] may name any result.
	Unreachable string
	Family      Family
	Class       Class
}

// Rows returns the table: every result of every family, in the order of families and
// numbers.
func Rows() []Row { return slices.Clone(rows) }

// RowOf returns the row of a number in a family, and whether there is one.
func RowOf(f Family, number int) (Row, bool) {
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Family == f && r.Number == number })
	if i < 0 {
		return Row{}, false
	}
	return rows[i], true
}

// ResultOf maps a number of any family to the newest, and says whether it is one of that
// family. What is never reported, or says that nothing has ended yet, is [ResultNone].
func ResultOf(f Family, number int) (Result, bool) {
	row, ok := RowOf(f, number)
	if !ok {
		return ResultNone, false
	}
	return row.Result, true
}

// rows is the table, made once of the parts that have one family each.
var rows = slices.Concat(
	rowsIn(FamilyNewest, ClassReported, newest),
	rowsIn(FamilyObject5, ClassReported, object5),
	rowsIn(FamilyHub, ClassReported, asNewest(hub)),
	rowsIn(FamilyOldest, ClassReported, asNewest(oldest)),
	rowsIn(FamilyInternal, ClassInternal, internals),
)

func rowsIn(f Family, c Class, part []Row) []Row {
	for i := range part {
		part[i].Family, part[i].Class = f, c
	}
	return part
}

// asNewest gives results of older families the value of /5/0/5 that the newest one has for
// them.
func asNewest(part []Row) []Row {
	for i, row := range part {
		at := slices.IndexFunc(newest, func(n Row) bool { return n.Result == row.Result })
		if at >= 0 {
			part[i].Object5 = newest[at].Object5
		}
	}
	return part
}

// Remedies, by cause.
const (
	remedyNothing   = "Nothing needs to be done."
	remedyNetwork   = "Check that the device reaches the server that has the image: name, address, port, firewalls. Then start the update again."
	remedyURI       = "Correct the URI of the image: an absolute URI of at most 255 bytes, of a scheme that /5/0/8 lists, to a host that the gateway's configuration allows."
	remedyMissing   = "Put the image where the URI says, or correct the URI, then start the update again."
	remedyManifest  = "Make the manifest anew, with a tool that writes schema version 3, and see that nothing changes it on its way."
	remedyKey       = "Sign the manifest with the private key whose certificate or public key the gateway is configured to trust, or configure the right one."
	remedyDevice    = "Compare vendor and class of the manifest with those of the gateway (/10255/0/3 and /10255/0/4), and the campaign's list of devices."
	remedyComponent = "Name a component that the gateway has: MAIN, unless it says otherwise in /14/x/0."
	remedyVersion   = "Give the update a version that is greater than the installed one, in the manifest too. An older version is never installed."
	remedyFormat    = "Send the image as it is: neither as a difference to another one, nor encrypted, nor several in one package."
	remedyHash      = "Compare size and SHA-256 of the image on its server with those of the manifest. If they differ, publish the one or make the other anew."
	remedySpace     = "Free space where the gateway stores images, or raise the limit that its configuration sets for their size."
	remedyMemory    = "Free memory on the gateway, then start the update again."
	remedyDisk      = "Check the disk under the gateway's directory for images: permissions, read-only mounts, errors of the file system."
	remedyRefused   = "The gateway's application or a person at it has refused. Ask there, then start the update again."
	remedyInstaller = "Look at the gateway's log for what its installer says. The version before is still in use, unless that says otherwise."
	remedyReport    = "Please report this with the log of the gateway."
	remedyBusy      = "Wait until the update that is under way has ended, or cancel it, then start the other one."
	remedyVendor    = "Put less into the vendor data of the manifest: at most 1024 bytes."
)

// Why this client never is in a situation that another one can be in.
const (
	noDelta      = "Differences between images are refused before, as MANIFEST_PAYLOAD_UNSUPPORTED."
	noMulticast  = "There are no multicast updates."
	noCombined   = "Combined packages are refused before, as MANIFEST_PAYLOAD_UNSUPPORTED."
	noKeyTable   = "Manifests of schema version 3 have no key table."
	noDependents = "Manifests of schema version 3 depend on no others."
	noProcessor  = "Images are stored as they come; nothing processes them on the way."
	noUserCodes  = "A gateway's own code says by the newest family what is wrong."
	noFetching   = "Manifests are written by the server; none is fetched."
	noDevice     = "Manifests of schema version 3 name vendor and class, and no single device."
)

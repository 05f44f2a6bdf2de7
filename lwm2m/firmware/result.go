package firmware

import "strconv"

// Result is the value of /10252/0/3 in its newest family: how an update has ended.
type Result int16

// The results of the newest family, which are what the client reports. [Rows] says what each
// means and what to do about it.
const (
	ResultNone               Result = -1 // no update has ended since the last one began
	ResultSuccess            Result = 18
	ResultInvalidURI         Result = 21
	ResultManifestMalformed  Result = 22
	ResultSignatureInvalid   Result = 23
	ResultDownloadFailed     Result = 24
	ResultUnsupportedPayload Result = 25
	ResultPayloadCorrupted   Result = 26
	ResultVersionRejected    Result = 27
	ResultUnsupportedSchema  Result = 28
	ResultVendorDataTooBig   Result = 29
	ResultWrongVendor        Result = 30
	ResultWrongClass         Result = 31
	ResultPrecursorMismatch  Result = 32
	ResultNoSpace            Result = 33
	ResultOutOfMemory        Result = 34
	ResultWriteFailed        Result = 35
	ResultReadFailed         Result = 36
	ResultInstallRefused     Result = 37
	ResultDownloadRefused    Result = 38
	ResultWrongComponent     Result = 39
	ResultInstallationFailed Result = 40
	ResultInternal           Result = 41
	ResultDelta              Result = 42
	ResultCrypto             Result = 43
	ResultNotFound           Result = 44
	ResultMulticastAborted   Result = 45
	ResultCombinedMalformed  Result = 46
	ResultCombinedCount      Result = 47
	ResultCombinedName       Result = 48
	ResultCombinedVendorData Result = 49
)

// String returns the name of the result, as the table has it, such as
// MANIFEST_SIGNATURE_INVALID; NONE for [ResultNone], and the number for what is no result.
func (r Result) String() string {
	if r == ResultNone {
		return "NONE"
	}
	if row, ok := r.row(); ok {
		return row.Name
	}
	return "result " + strconv.Itoa(int(r))
}

// Object5 returns the value of /5/0/5 that says the same, as far as that object can:
// [Object5Initial] for [ResultNone], [Object5UpdateFailed] for what is no result.
func (r Result) Object5() int64 {
	if r == ResultNone {
		return Object5Initial
	}
	if row, ok := r.row(); ok {
		return row.Object5
	}
	return Object5UpdateFailed
}

func (r Result) row() (Row, bool) { return RowOf(FamilyNewest, int(r)) }

// Values of /5/0/5, the Update Result (LwM2M Core Appendix E.6).
const (
	Object5Initial             = 0
	Object5Success             = 1
	Object5NoSpace             = 2
	Object5OutOfMemory         = 3
	Object5ConnectionLost      = 4
	Object5IntegrityFailed     = 5
	Object5UnsupportedPackage  = 6
	Object5InvalidURI          = 7
	Object5UpdateFailed        = 8
	Object5UnsupportedProtocol = 9
	Object5Cancelled           = 10 // from LwM2M 1.1 on
	Object5Deferred            = 11 // from LwM2M 1.1 on
)

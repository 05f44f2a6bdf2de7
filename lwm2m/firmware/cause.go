package firmware

import (
	"errors"
	"strconv"
)

// Cause is what can go wrong with an update of this client. Each has one class, and those of
// [ClassReported] end the update with the result and the value of /5/0/5 that go with them
// ([CauseInstallDeferred] does not end it). docs/update-results.md lists them.
type Cause uint8

// Causes of [ClassInternal].
const (
	CauseReportUndelivered Cause = iota + 1 // a report waits in the outbox for its server
	CauseDeferred                           // the gateway has put the download or the installation off
	CauseTransient                          // an attempt to fetch the image has failed, and another one follows
	CauseManifestRepeated                   // the manifest of the update that is under way has come once more

	endInternal
)

// Causes of [ClassLogged]. A server that is concerned has an error as the answer to its
// request.
const (
	CauseManifestBusy   Cause = iota + 16 // another manifest, package or URI while an update is under way
	CauseRequestRefused                   // a Write or an Execute that does not fit the state
	CauseRecordLost                       // what was stored of an update cannot be used
	CauseRecordNotSaved                   // a state could not be stored, so it is not entered yet
	CauseFileLeft                         // the file of an image that is not needed any more could not be removed
	CauseRollBackFailed                   // the installer could not go back to the version before

	endLogged
)

// Causes of [ClassReported], in the order in which an update can meet them.
const (
	CauseManifestMalformed  Cause = iota + 32 // not DER, or not what the schema says
	CauseUnsupportedSchema                    // another schema version than 3
	CauseDigest                               // the digest in the manifest has not the length of SHA-256
	CauseVendorDataTooBig                     // more vendor data than is taken
	CauseNoTrust                              // the gateway trusts no key for manifests
	CauseSignature                            // no key that the gateway trusts has signed the manifest
	CauseWrongVendor                          // another vendor than the gateway's
	CauseWrongClass                           // another class than the gateway's
	CauseWrongComponent                       // a component that the gateway does not have
	CauseVersionRejected                      // not greater than the installed version
	CauseUnsupportedPayload                   // a difference, encrypted, or several in one
	CauseInvalidURI                           // not an absolute URI with a host, or with what it must not have
	CauseURITooLong                           // more than 255 bytes
	CauseUnsupportedScheme                    // a scheme that /5/0/8 does not list
	CauseForbiddenURI                         // a host, an address or a port that the configuration does not allow
	CauseUnknownHost                          // name servers say that there is no such host
	CauseDownloadRefused                      // the gateway refuses to download
	CauseTooBig                               // more than the limit that the configuration sets for an image
	CauseNoSpace                              // the disk has not enough room
	CauseLongerThanSaid                       // goes on behind its announced end
	CauseOutOfMemory                          // the operating system has no memory
	CauseWriteFailed                          // the disk fails while the image is written
	CauseReadFailed                           // the disk fails while the image is read
	CauseNotFound                             // the server has no image there: 4.04, 404
	CauseDownloadRejected                     // the server does not give the image, by an answer that no attempt will change
	CauseConnectionLost                       // attempts are used up, or a push has ended in its middle
	CauseTruncated                            // shorter than it was announced
	CausePayloadCorrupted                     // the digest is not that of the manifest
	CauseVerifyFailed                         // the installer's Verify found it not intact
	CauseInstallRefused                       // the gateway refuses to install
	CauseInstallDeferred                      // an Execute of /5/0/2 was put off: reported by /5/0/5, and no end
	CauseInstallationFailed                   // the installer's Install or Reboot failed
	CauseNotConfirmed                         // the new version did not prove itself, and was taken back
	CauseCancelled                            // the server has cancelled by /5/0/10
	CauseReset                                // the server has gone back to idle by an empty URI or package
	CauseInternal                             // all else, panics among it

	endReported
)

// String returns the cause in a few words, for logs and documents.
func (c Cause) String() string {
	if e, ok := causes[c]; ok {
		return e.words
	}
	return "cause " + strconv.Itoa(int(c))
}

// Class returns who learns of it: [ClassReported] for what is no cause.
func (c Cause) Class() Class {
	if e, ok := causes[c]; ok {
		return e.class
	}
	return ClassReported
}

// Result returns what /10252/0/3 shows for it: [ResultNone] where that tells nothing of it,
// [ResultInternal] for what is no cause.
func (c Cause) Result() Result {
	if e, ok := causes[c]; ok {
		return e.result
	}
	return ResultInternal
}

// Object5 returns what /5/0/5 shows for it: [Object5Initial] where that tells nothing of it,
// [Object5UpdateFailed] for what is no cause.
func (c Cause) Object5() int64 {
	e, ok := causes[c]
	switch {
	case !ok:
		return Object5UpdateFailed
	case e.other:
		return e.object5
	}
	return e.result.Object5()
}

// Causes returns all causes, in the order of their classes.
func Causes() (all []Cause) {
	for c := Cause(1); c < endReported; c++ {
		if _, ok := causes[c]; ok {
			all = append(all, c)
		}
	}
	return all
}

// Error is an error with its cause.
type Error struct {
	Cause Cause
	Err   error // what says more; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Cause.String()
	}
	return e.Cause.String() + ": " + e.Err.Error()
}

// Unwrap returns what says more.
func (e *Error) Unwrap() error { return e.Err }

// CauseOf returns the cause of an error: that of the first [Error] in it, else
// [CauseInternal].
func CauseOf(err error) Cause {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Cause
	}
	return CauseInternal
}

// causeEntry is what is known of a cause.
type causeEntry struct {
	class   Class
	result  Result
	words   string
	object5 int64 // where other is set
	other   bool  // /5/0/5 shows another value than the result's own
}

// causes has each cause in exactly one class.
var causes = map[Cause]causeEntry{
	CauseReportUndelivered: internal("a report waits for its server"),
	CauseDeferred:          internal("the gateway has put the update off"),
	CauseTransient:         internal("an attempt to fetch the image has failed"),
	CauseManifestRepeated:  internal("the manifest of the update that is under way has come once more"),

	CauseManifestBusy:   logged("another update is under way"),
	CauseRequestRefused: logged("the request does not fit the state of the update"),
	CauseRecordLost:     logged("what was stored of an update cannot be used"),
	CauseRecordNotSaved: logged("the state of the update could not be stored"),
	CauseFileLeft:       logged("the file of an image could not be removed"),
	CauseRollBackFailed: logged("the installer could not go back to the version before"),

	CauseManifestMalformed:  reported(ResultManifestMalformed, "the manifest is malformed"),
	CauseUnsupportedSchema:  reported(ResultUnsupportedSchema, "the manifest is of an unknown schema version"),
	CauseDigest:             reported(ResultCrypto, "the digest in the manifest is not one of SHA-256"),
	CauseVendorDataTooBig:   reported(ResultVendorDataTooBig, "the manifest has too much vendor data"),
	CauseNoTrust:            reported(ResultSignatureInvalid, "no key to check manifests by is configured"),
	CauseSignature:          reported(ResultSignatureInvalid, "no trusted key has signed the manifest"),
	CauseWrongVendor:        reported(ResultWrongVendor, "the manifest is for another vendor"),
	CauseWrongClass:         reported(ResultWrongClass, "the manifest is for another class of devices"),
	CauseWrongComponent:     reported(ResultWrongComponent, "the manifest is for an unknown component"),
	CauseVersionRejected:    reported(ResultVersionRejected, "the version is not greater than the installed one"),
	CauseUnsupportedPayload: reported(ResultUnsupportedPayload, "the image is of an unsupported form"),
	CauseInvalidURI:         reported(ResultInvalidURI, "the URI of the image is invalid"),
	CauseURITooLong:         reported(ResultInvalidURI, "the URI of the image is too long"),
	CauseUnsupportedScheme:  reportedAs(ResultInvalidURI, Object5UnsupportedProtocol, "the URI of the image has an unsupported scheme"),
	CauseForbiddenURI:       reported(ResultInvalidURI, "the URI of the image leads to where the configuration does not allow"),
	CauseUnknownHost:        reported(ResultInvalidURI, "the host of the image does not exist"),
	CauseDownloadRefused:    reported(ResultDownloadRefused, "the gateway refuses the download"),
	CauseTooBig:             reported(ResultNoSpace, "the image exceeds the limit for its size"),
	CauseNoSpace:            reported(ResultNoSpace, "there is no room for the image"),
	CauseLongerThanSaid:     reported(ResultNoSpace, "the image goes on behind its announced end"),
	CauseOutOfMemory:        reported(ResultOutOfMemory, "there is no memory for the update"),
	CauseWriteFailed:        reported(ResultWriteFailed, "the image could not be written"),
	CauseReadFailed:         reported(ResultReadFailed, "the stored image could not be read"),
	CauseNotFound:           reported(ResultNotFound, "the server has no such image"),
	CauseDownloadRejected:   reported(ResultDownloadFailed, "the server refuses to give the image"),
	CauseConnectionLost:     reported(ResultDownloadFailed, "the image did not come to its end"),
	CauseTruncated:          reported(ResultPayloadCorrupted, "the image is shorter than announced"),
	CausePayloadCorrupted:   reported(ResultPayloadCorrupted, "the image is not the one that was announced"),
	CauseVerifyFailed:       reported(ResultPayloadCorrupted, "the installer found the image not intact"),
	CauseInstallRefused:     reported(ResultInstallRefused, "the gateway refuses the installation"),
	CauseInstallDeferred:    reportedAs(ResultNone, Object5Deferred, "the gateway has put the installation off"),
	CauseInstallationFailed: reported(ResultInstallationFailed, "the installation has failed"),
	CauseNotConfirmed:       reported(ResultInstallationFailed, "the new version did not prove itself"),
	CauseCancelled:          reportedAs(ResultInstallRefused, Object5Cancelled, "the server has cancelled the update"),
	CauseReset:              reportedAs(ResultInstallRefused, Object5Initial, "the server has taken the update back"),
	CauseInternal:           reported(ResultInternal, "an internal error"),
}

func internal(words string) causeEntry {
	return causeEntry{class: ClassInternal, result: ResultNone, words: words}
}

func logged(words string) causeEntry {
	return causeEntry{class: ClassLogged, result: ResultNone, words: words}
}

func reported(r Result, words string) causeEntry {
	return causeEntry{class: ClassReported, result: r, words: words}
}

func reportedAs(r Result, object5 int64, words string) causeEntry {
	return causeEntry{class: ClassReported, result: r, words: words, object5: object5, other: true}
}

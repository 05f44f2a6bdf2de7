package dtls

import (
	"crypto"
	_ "crypto/sha256" // the hashes of suites and signatures
	_ "crypto/sha512"
	"fmt"

	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// SuiteID is the number of a cipher suite (IANA, TLS Cipher Suites).
type SuiteID uint16

// The suites of this client (RFC 6655, RFC 5487, RFC 7251, RFC 5289).
const (
	PSKWithAES128CCM8             SuiteID = 0xc0a8
	PSKWithAES128CCM              SuiteID = 0xc0a4
	PSKWithAES128GCMSHA256        SuiteID = 0x00a8
	ECDHEECDSAWithAES128CCM8      SuiteID = 0xc0ae
	ECDHEECDSAWithAES128CCM       SuiteID = 0xc0ac
	ECDHEECDSAWithAES128GCMSHA256 SuiteID = 0xc02b
	ECDHEECDSAWithAES256GCMSHA384 SuiteID = 0xc02c
)

// suite is what a cipher suite decides.
type suite struct {
	id     SuiteID
	name   string
	psk    bool // pre-shared key; ECDHE_ECDSA otherwise
	cipher record.Cipher
	hash   crypto.Hash // of key schedule and Finished
}

// suites are those of this client, in order of preference: CCM_8 is the one
// that every LwM2M server has (OMA LwM2M Transport 1.1 section 5.2, RFC 7925
// section 4).
var suites = []suite{
	{PSKWithAES128CCM8, "TLS_PSK_WITH_AES_128_CCM_8", true, record.AES128CCM8, crypto.SHA256},
	{PSKWithAES128GCMSHA256, "TLS_PSK_WITH_AES_128_GCM_SHA256", true, record.AES128GCM, crypto.SHA256},
	{PSKWithAES128CCM, "TLS_PSK_WITH_AES_128_CCM", true, record.AES128CCM, crypto.SHA256},
	{ECDHEECDSAWithAES128CCM8, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", false, record.AES128CCM8, crypto.SHA256},
	{ECDHEECDSAWithAES128CCM, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", false, record.AES128CCM, crypto.SHA256},
	{ECDHEECDSAWithAES128GCMSHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", false, record.AES128GCM, crypto.SHA256},
	{ECDHEECDSAWithAES256GCMSHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", false, record.AES256GCM, crypto.SHA384},
}

// String returns the suite's name of the IANA registry.
func (id SuiteID) String() string {
	if s := suiteOf(id); s != nil {
		return s.name
	}
	return fmt.Sprintf("suite 0x%04x", uint16(id))
}

func suiteOf(id SuiteID) *suite {
	for i := range suites {
		if suites[i].id == id {
			return &suites[i]
		}
	}
	return nil
}

// suitesFor returns the suites that go with the kind of credentials.
func suitesFor(psk bool) (ids []SuiteID) {
	for _, s := range suites {
		if s.psk == psk {
			ids = append(ids, s.id)
		}
	}
	return ids
}

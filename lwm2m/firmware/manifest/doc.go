// Package manifest reads, checks, makes and signs the manifest of a firmware update: the
// DER form of schema version 3 that the reference client takes and its manifest-tool makes.
//
// The schema, with IMPLICIT tags (the integers have no negative values here):
//
//	SignedResource ::= SEQUENCE {
//	  manifest-version ENUMERATED { v3(3) },
//	  manifest         Manifest,
//	  signature        OCTET STRING      -- ECDSA P-256 over SHA-256 of manifest, r || s
//	}
//	Manifest ::= SEQUENCE {
//	  vendor-id           OCTET STRING,  -- UUID, 16 bytes
//	  class-id            OCTET STRING,  -- UUID, 16 bytes
//	  update-priority     INTEGER,
//	  component-name      UTF8String,
//	  payload-version     UTF8String,    -- semver.org 2.0.0
//	  payload-digest      OCTET STRING,  -- SHA-256
//	  payload-size        INTEGER,       -- bytes
//	  payload-uri         UTF8String,
//	  payload-format      ENUMERATED { raw-binary(1), arm-patch-stream(5), combined(6),
//	                                   encrypted-raw(257), encrypted-combined(262) },
//	  installed-signature OCTET STRING,  -- empty, or r || s over the installed image
//	  payload-metadata    PayloadMetadata OPTIONAL,  -- never for raw-binary
//	  vendor-data         OCTET STRING OPTIONAL
//	}
//	PayloadMetadata ::= SEQUENCE {
//	  installed-size      INTEGER,
//	  installed-digest    OCTET STRING,
//	  precursor-digest    OCTET STRING OPTIONAL
//	}
//
// Behind the SignedResource of an encrypted image a service may put its key, as
// [1] IMPLICIT OCTET STRING (SIZE(16)).
//
// It is read strictly: DER with minimal lengths, no bytes that belong to nothing, every field
// within its bounds. As the reference client does it, [Parse] looks at no more than the
// version and the frame of what is not signed by a trusted key; [Signed.Read] reads the rest.
// Every error is a [firmware.Error], whose cause says how the update ends.
package manifest

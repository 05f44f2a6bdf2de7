package scenario

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Types of DTLS records and handshake messages (RFC 5246 and 6347, as IANA has
// registered them).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplicationData  = 23
	recordHeader           = 13
)

var handshakeNames = map[byte]string{
	1: "ClientHello", 2: "ServerHello", 3: "HelloVerifyRequest", 4: "NewSessionTicket", 11: "Certificate",
	12: "ServerKeyExchange", 13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify",
	16: "ClientKeyExchange", 20: "Finished",
}

// describeRecords names the records of a datagram; of what is encrypted only
// the type can be told.
func describeRecords(data []byte) string {
	var names []string
	for len(data) >= recordHeader {
		length := recordHeader + int(binary.BigEndian.Uint16(data[11:]))
		if length > len(data) {
			break
		}
		name := describeRecord(data[:length])
		if len(names) == 0 || names[len(names)-1] != name { // fragments of one message
			names = append(names, name)
		}
		data = data[length:]
	}
	if len(names) == 0 {
		return "no DTLS record"
	}
	return "DTLS " + strings.Join(names, ", ")
}

func describeRecord(record []byte) string {
	encrypted, body := binary.BigEndian.Uint16(record[3:]) > 0, record[recordHeader:]
	switch kind := record[0]; {
	case kind == recordApplicationData:
		return "application data"
	case kind == recordChangeCipherSpec:
		return "ChangeCipherSpec"
	case kind == recordHandshake && encrypted:
		return "Finished"
	case kind == recordHandshake && len(body) > 0:
		return handshakeNames[body[0]]
	case kind == recordAlert && encrypted:
		return "alert, encrypted"
	case kind == recordAlert && len(body) == 2:
		return fmt.Sprintf("alert %d", body[1])
	}
	return fmt.Sprintf("record of type %d", record[0])
}

package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// Bounds of pre-shared keys: RFC 7925 section 4.2.
const (
	maxIdentity = 128     // bytes
	maxKey      = 64      // bytes
	maxPSKFile  = 1 << 20 // bytes
)

// keys maps PSK identities to keys.
type keys map[string][]byte

// add takes one ID:HEX. The last colon separates, so that an identity may have
// some. Its error never shows the key.
func (k keys) add(text string) error {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return pskError("has no colon: write ID:HEX")
	}
	identity := text[:at]
	key, err := hex.DecodeString(text[at+1:])
	switch {
	case identity == "" || len(identity) > maxIdentity:
		return pskError("needs an identity of 1 to 128 bytes before the colon")
	case err != nil:
		return pskError("needs hexadecimal digits, two for each byte, after the colon")
	case len(key) == 0 || len(key) > maxKey:
		return pskError("needs a key of 1 to 64 bytes after the colon")
	case k[identity] != nil:
		return pskError("names an identity for the second time")
	}
	k[identity] = key
	return nil
}

// pskError says what is wrong with an ID:HEX.
type pskError string

// Error implements error.
func (e pskError) Error() string { return string(e) }

// readFile adds the keys of a file: a line each, but for empty ones and those
// that begin with #. It returns everything that is wrong.
func (k keys) readFile(path string) []error {
	f, err := os.Open(path)
	if err != nil {
		return []error{err}
	}
	defer f.Close() // it is only read
	return k.read(path, io.LimitReader(f, maxPSKFile))
}

func (k keys) read(name string, r io.Reader) []error {
	var errs []error
	scanner := bufio.NewScanner(r)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := k.add(line); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, n, err))
		}
	}
	if err := scanner.Err(); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", name, err))
	}
	return errs
}

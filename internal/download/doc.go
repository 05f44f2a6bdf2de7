// Package download has what fetching an image is about, whoever does it: where an image may
// be fetched from, and fetching it by HTTP. CoAP is the business of actors/coapresend, and
// what is done with the image that of actors/update.
package download

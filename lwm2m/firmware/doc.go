// Package firmware is what a firmware update is made of, without I/O: the states and
// results of the Firmware Update object (/5, LwM2M Core Appendix E.6) and of the manifest
// object that the reference client has (/10252), the one table that maps the families of
// results onto each other, and what a gateway provides: an [Installer].
//
// It owns the numbers. Who is told of them, and when, is the business of actors/update.
package firmware

// Package records turns the records of SenML and of the JSON of LwM2M 1.0, which name
// paths by a base name and a name, into payloads, and payloads into names. It knows
// nothing of how either writes its records.
//
// Everything is pure. A pack is resolved as a whole or not at all.
package records

package main

import (
	"fmt"
	"go/token"
	"strings"
	"unicode"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// objectNames are the identifiers of an object.
type objectNames struct {
	source
	typeName string   // "Temperature"
	fields   []string // of the resources, in their order
}

func (o *objectNames) idConst() string         { return o.typeName + "ID" }
func (o *objectNames) resourceID(i int) string { return o.typeName + o.fields[i] + "ID" }
func (o *objectNames) defFunc() string         { return o.typeName + "Def" }
func (o *objectNames) newFunc() string         { return "New" + o.typeName }

// fileName has no underscore, behind which the go command looks for systems.
func (o *objectNames) fileName() string { return strings.ToLower(o.typeName) + ".go" }

// declared are all the names that the object puts into its package.
func (o *objectNames) declared() []string {
	names := []string{o.typeName, o.idConst(), o.defFunc(), o.newFunc()}
	for i := range o.fields {
		names = append(names, o.resourceID(i))
	}
	return names
}

// nameAll names objects of one package, which are sorted by ID. Where names collide the
// object with the higher ID has it in its name.
func nameAll(sources []source) (objects []*objectNames) {
	used, files := map[string]bool{}, map[string]bool{}
	for _, s := range sources {
		o := &objectNames{source: s, fields: fieldNames(s.def.Resources)}
		o.typeName = identifier(s.def.Name, "Object")
		if o.typeName == "Object" || taken(used, o.declared()) || files[o.fileName()] {
			o.typeName = fmt.Sprintf("%s%d", o.typeName, s.def.ID)
		}
		for taken(used, o.declared()) || files[o.fileName()] {
			o.typeName += "X"
		}
		for _, name := range o.declared() {
			used[name] = true
		}
		files[o.fileName()] = true
		objects = append(objects, o)
	}
	return objects
}

// taken reports whether names are used, or not distinct among themselves.
func taken(used map[string]bool, names []string) bool {
	own := map[string]bool{}
	for _, name := range names {
		if used[name] || own[name] {
			return true
		}
		own[name] = true
	}
	return false
}

// fieldNames names the fields of a struct.
func fieldNames(resources []lwm2m.ResourceDef) []string {
	names := make([]string, 0, len(resources))
	used := map[string]bool{
		"Validate": true, // leaves the method to who uses the struct
	}
	for _, r := range resources {
		name := identifier(r.Name, "Resource")
		if name == "Resource" || used[name] {
			name = fmt.Sprintf("%s%d", name, r.ID)
		}
		for used[name] {
			name += "X"
		}
		used[name] = true
		names = append(names, name)
	}
	return names
}

// initialisms are written in capitals. Words that are written in capitals stay so.
var initialisms = setOf("ACL API APN ASCII CBOR CPU CRC DNS DTLS EUI EST GPS GUID HTTP HTTPS ICCID ID IMEI IMSI IO IP IPV4 IPV6 " +
	"JSON JWT LED LTE MAC MCC MNC MQTT MSISDN NFC NTP PIN PSK RAM ROM RPC RSSI SIM SMS SNR SSH SSID TCP TLS TTL UDP UI UID " +
	"URI URL UTC UUID VM XML")

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// spelled are symbols that a name has words for.
var spelled = strings.NewReplacer("(s)", "s", "'", "", "’", "", "%", " Percent ", "&", " And ", "+", " Plus ", "°", " Degree ", "µ", "u", "μ", "u")

// identifier makes an exported Go name of a name in words. fallback begins it where it
// would be empty or begin with a digit.
func identifier(name, fallback string) string {
	var b strings.Builder
	for _, word := range words(spelled.Replace(name)) {
		if upper := strings.ToUpper(word); initialisms[upper] {
			word = upper
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	if text := b.String(); text != "" && (text[0] < '0' || text[0] > '9') {
		return text
	}
	return fallback + b.String()
}

// words splits a name at everything that is no ASCII letter or digit, and where a
// capital follows a small letter.
func words(name string) (list []string) {
	for part := range strings.FieldsFuncSeq(name, func(c rune) bool { return c > unicode.MaxASCII || !isAlphanumeric(c) }) {
		start := 0
		for i := 1; i < len(part); i++ {
			if isLower(part[i-1]) && isUpper(part[i]) {
				list = append(list, part[start:i])
				start = i
			}
		}
		list = append(list, part[start:])
	}
	return list
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func isAlphanumeric(c rune) bool {
	return '0' <= c && c <= '9' || c < unicode.MaxASCII && (isLower(byte(c)) || isUpper(byte(c)))
}

// isPackageName reports whether a package can have the name, and what is generated can be in it.
func isPackageName(name string) bool {
	return token.IsIdentifier(name) && name != "_" && strings.ToLower(name) == name
}

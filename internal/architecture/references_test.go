package architecture

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// designDocument has the map of the module, in the section of that name.
const (
	designDocument = "docs/design.md"
	mapSection     = "Map"
)

var referenceRules = []rule{
	{
		name: "documents",
		remedy: "name a document of this repository by its path from the root (docs/design.md), a section of it by its title " +
			"(docs/design.md, Silence), and a decision by its number (ADR 8); all of them have to exist",
		check: checkDocuments,
		refused: []sample{
			{"a/a.go": "package a\n// See docs/gone.md for more.\n"},
			{"a/a.go": "package a\n// See GONE.md for more.\n"},
			{"a/a.go": "package a\nconst remedy = \"docs/gone.md says why\"\n"},
			{"a/a.go": "package a\n// It is so (docs/a.md, Thunder and\n// lightning).\n", "docs/a.md": "# A\n\n## Thunder\n\n## Thunder and rain\n"},
			{"a/a.go": "package a\n// See ADR 7.\n", "docs/adr/0017-a.md": "# 17. A\n"},
			{"a.sh": "# docs/gone.md has the figures.\n"},
			{"README.md": "See [the design](docs/gone.md).\n"},
			{"docs/a.md": "See [b](b.md).\n", "b.md": "# B\n"},
			{"docs/a.md": "As [b](b.md), Silence, says.\n", "docs/b.md": "# B\n\n## Noise\n"},
			{"docs/a.md": "See [below](#silence).\n\n## Noise\n"},
		},
		accepted: []sample{
			{"a/a.go": "package a\n// See docs/a.md, Thunder and\n// lightning, and ADR 7. Other.md is not ours.\n",
				"docs/a.md": "# A\n\n## Thunder and lightning (where it comes from)\n", "docs/adr/0007-a.md": "# 7. A\n"},
			{"docs/a.md": "See [b](b.md), Noise, or [out](https://example.com/c.md), or [up](../README.md), or [here](#a-title).\n\n## A title\n",
				"docs/b.md": "## Noise\n", "README.md": "# R\n"},
			{"docs/a.md": "```\n[not a link](gone.md)\n```\n"},
		},
	},
	{
		name: "places",
		remedy: "name files, folders, packages and tests in documents as they are now; what has moved is named anew. " +
			"Decisions (docs/adr) and the changelog may speak of what was",
		check: checkPlaces,
		refused: []sample{
			{"docs/a.md": "It is in `internal/gone`.\n"},
			{"docs/a.md": "It is in `internal/a/gone.go`.\n", "internal/a/a.go": "package a\n"},
			{"README.md": "`scripts/gone.sh` does it.\n"},
			{"SECURITY.md": "A table, `internal/a.Gone`.\n", "internal/a/a.go": "package a\n"},
			{"docs/a.md": "Shown by `TestGone`.\n", "a/a_test.go": "package a\nfunc TestHere() {}\n"},
			{"docs/a.md": "Shown by `a.TestHere`.\n", "b/a_test.go": "package b\nfunc TestHere() {}\n"},
		},
		accepted: []sample{
			{"docs/a.md": "`internal/a`, `internal/a/...`, `internal/a/a.go`, `internal/a.Here`, `GET /v1/status`, `a/b`\n", "internal/a/a.go": "package a\nvar Here int\n"},
			{"docs/adr/0001-a.md": "`internal/gone` was here.\n", "CHANGELOG.md": "`internal/gone` has gone.\n"},
			{"docs/a.md": "`TestHere`, `b.FuzzThis`, `BenchmarkThat` and `TestHostile...`\n",
				"a/a_test.go": "package a\nfunc TestHere() {}\nfunc BenchmarkThat() {}\n", "b/b_test.go": "package b_test\nfunc FuzzThis() {}\n"},
		},
	},
	{
		name: "map",
		remedy: "the section Map of docs/design.md is how a reader finds a place within a minute: every file that it names has " +
			"to exist, and every name beside it has to be declared in the package of that file",
		check: checkMap,
		refused: []sample{
			{designDocument: "# Design\n\n## Layout\n"},
			{designDocument: mapOf("| a | `a/gone.go` | `A` |"), "a/a.go": "package a\nfunc A() {}\n"},
			{designDocument: mapOf("| a | `a/a.go` | `B` |"), "a/a.go": "package a\nfunc A() {}\n"},
			{designDocument: mapOf("| a | `a/a.go` | `B` |"), "a/a.go": "package a\n", "b/b.go": "package b\nfunc B() {}\n"},
			{designDocument: mapOf("| a | the package a | `A` |"), "a/a.go": "package a\nfunc A() {}\n"},
			{designDocument: mapOf("")},
		},
		accepted: []sample{
			{"README.md": "no design\n"},
			{designDocument: mapOf("| **Group** | | |\n| a | `a/a.go`, `b/b.go` | `A`, `b`, `c`, `D` |\n| d | `docs/d.md` | |"),
				"a/a.go": "package a\ntype A struct{}\nfunc (A) b() {}\n", "b/b.go": "package b\nconst D = 1\nvar c = D\n", "docs/d.md": "# D\n"},
		},
	},
	{
		name: "words",
		remedy: "name what a clone has: docs/design.md, docs/contract.md, the reference behaviour (docs/recovery.md). Plans, reviews " +
			"and places outside of the repository mean nothing to a reader",
		check: checkWords,
		refused: []sample{
			{"a/a.go": "package a\n// As DESIGN.md has it.\n"},
			{"a/a_test.go": "package a\n// CONTRACT: a delay of 0 is there.\n"},
			{"a/a.go": "package a\n// The first delay is drawn, by the\n// seed.\n"},
			{"a/a.go": "package a\n// This is the seed's policy.\n"},
			{"a/a.go": "package a\n// The seed: every attempt doubles it.\n"},
			{"a/a.go": "package a\n// By the seed it is drawn.\n"},
			{"docs/a.md": "First light brought it.\n"},
			{"docs/a.md": "It came with A house for what has to last.\n"},
			{"a.sh": "# See issue #8.\n"},
			{"a.sh": "# Issue 8 asks for it.\n"},
			{"docs/a.md": "The house review found it.\n"},
			{"docs/a.md": "It lies in /work/ there.\n"},
		},
		accepted: []sample{
			{"a/a.go": "package a\n// The seed decides all randomness; so do seeds of 8 bytes.\n", "docs/a.md": "The design, and what contracts are.\n"},
		},
	},
}

// mapOf is a design document with these lines in its map.
func mapOf(rows string) string {
	return "# Design\n\n## " + mapSection + " (where to find what)\n\n| where | file | look for |\n|---|---|---|\n" + rows + "\n\n## Layout\n"
}

// passage is text that people read: one comment, one string, or one paragraph
// of a document, with its line breaks taken out.
type passage struct{ at, text string }

// passages returns all text of the module in which something may be named.
// Strings in this package are samples of what must not be.
func (m *module) passages() (all []passage) {
	for _, s := range m.sources {
		all = append(all, s.comments()...)
		if s.directory() != "internal/architecture" {
			all = append(all, s.strings()...)
		}
	}
	for _, texts := range []map[string]string{m.scripts, m.documents} {
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			all = append(all, paragraphs(name, texts[name])...)
		}
	}
	return all
}

func (s *source) comments() (all []passage) {
	for _, group := range s.file.Comments {
		all = append(all, passage{s.at(group), oneLine(group.Text())})
	}
	return all
}

func (s *source) strings() (all []passage) {
	ast.Inspect(s.file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				all = append(all, passage{s.at(literal), oneLine(text)})
			}
		}
		return true
	})
	return all
}

// paragraphs splits a text at its empty lines. What stands in a fenced block of
// Markdown is code.
func paragraphs(name, text string) (all []passage) {
	line, fenced := 1, false
	for _, block := range strings.Split(text, "\n\n") {
		if !fenced {
			all = append(all, passage{name + ":" + strconv.Itoa(line), oneLine(unfenced(block))})
		}
		if strings.Count(block, "```")%2 == 1 {
			fenced = !fenced
		}
		line += strings.Count(block, "\n") + 2
	}
	return all
}

// unfenced cuts fenced code out of a block, also what begins in it and does not
// end.
func unfenced(block string) string {
	parts := strings.Split(block, "```")
	var text []string
	for i := 0; i < len(parts); i += 2 {
		text = append(text, parts[i])
	}
	return strings.Join(text, " ")
}

// oneLine takes line breaks out, with the marks that comments of scripts have
// at the beginning of a line.
func oneLine(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(strings.TrimSpace(line), "*# ")
		words = append(words, strings.Fields(strings.TrimPrefix(line, "//"))...)
	}
	return strings.Join(words, " ")
}

var (
	// documentName is a document by its path from the root, and the title of a
	// section behind a comma.
	documentName = regexp.MustCompile(`(?:^|[^\w./-])((?:docs/[\w./-]*\w|[A-Z]{4,})\.md)\b(?:, ([A-Z][^.;:()|]*))?`)
	// decision is an ADR by its number.
	decision = regexp.MustCompile(`\bADR (\d+)\b`)
	// link is a link of Markdown to a file of ours, and the title of a section
	// behind a comma.
	link = regexp.MustCompile(`\]\(([^)\s:]*)\)(?:, ([A-Z][^.;:()|]*))?`)
	// heading is a title in Markdown.
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
)

func checkDocuments(m *module) (faults []fault) {
	for _, p := range m.passages() {
		if strings.Contains(p.text, ".md") { // hardly any has it, and the pattern takes its time
			for _, found := range documentName.FindAllStringSubmatch(p.text, -1) {
				faults = append(faults, m.named(p.at, found[1], found[2])...)
			}
		}
		if !strings.Contains(p.text, "ADR ") {
			continue
		}
		for _, found := range decision.FindAllStringSubmatch(p.text, -1) {
			if !m.decided(found[1]) {
				faults = append(faults, faultf("%s: there is no ADR %s", p.at, found[1]))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.documents)) {
		faults = append(faults, m.links(name)...)
	}
	return faults
}

// named looks for a document and, where one is given, a section of it.
func (m *module) named(at, document, section string) []fault {
	text, there := m.documents[document]
	switch {
	case !there:
		return []fault{faultf("%s: there is no %s", at, document)}
	case section != "" && !hasSection(text, section):
		return []fault{faultf("%s: %s has no section %q", at, document, section)}
	}
	return nil
}

// hasSection reports whether what follows the name of a document begins with
// one of its titles. What a title has in brackets need not be repeated.
func hasSection(text, words string) bool {
	for _, found := range heading.FindAllStringSubmatch(text, -1) {
		title, _, _ := strings.Cut(found[1], " (")
		if rest, ok := strings.CutPrefix(words, title); ok && (rest == "" || !isWord(rest[0])) {
			rest = strings.TrimSpace(rest)
			if rest == "" || strings.HasPrefix(rest, ",") || strings.ToLower(rest[:1]) == rest[:1] && !continues(rest) {
				return true
			}
		}
	}
	return false
}

// continues reports whether a title goes on with "and", so that it is another
// one.
func continues(rest string) bool { return strings.HasPrefix(rest, "and ") }

func isWord(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

func (m *module) decided(number string) bool {
	n, err := strconv.Atoi(number)
	found, _ := fs.Glob(m.files, fmt.Sprintf("docs/adr/%04d-*.md", n)) // the pattern is sound
	return err == nil && len(found) > 0
}

// links follows the links of a document within the repository.
func (m *module) links(name string) (faults []fault) {
	for _, p := range paragraphs(name, m.documents[name]) {
		for _, found := range link.FindAllStringSubmatch(p.text, -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if target == "" {
				if !hasAnchor(m.documents[name], anchor) {
					faults = append(faults, faultf("%s: there is no #%s here", p.at, anchor))
				}
				continue
			}
			faults = append(faults, m.link(p.at, path.Join(path.Dir(name), target), found[2])...)
		}
	}
	return faults
}

// link looks for the target of a link.
func (m *module) link(at, target, section string) []fault {
	if _, isDocument := m.documents[target]; isDocument {
		return m.named(at, target, section)
	}
	if !m.exists(target) {
		return []fault{faultf("%s: there is no %s", at, target)}
	}
	return nil
}

func hasAnchor(text, anchor string) bool {
	for _, found := range heading.FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(strings.ToLower(found[1]), " ", "-") == anchor {
			return true
		}
	}
	return false
}

func (m *module) exists(name string) bool {
	_, err := fs.Stat(m.files, name)
	return err == nil
}

// place is a path of this module between backquotes, or a name of one of its
// packages.
var place = regexp.MustCompile("`((?:\\.ci|actors|cmd|configfile|control|docs|internal|interop|lwm2m|lwm2mtest|messages|scripts)" +
	"(?:/[\\w-]+(?:\\.(?:go|sh|md|txt|java))?)+)(?:\\.([A-Z]\\w*))?(?:/|/\\.\\.\\.)?`")

// testName is a test between backquotes, perhaps with its package.
var testName = regexp.MustCompile("`(?:(\\w+)\\.)?((?:Test|Fuzz|Benchmark)[A-Z0-9]\\w*)`")

func checkPlaces(m *module) (faults []fault) {
	for _, name := range slices.Sorted(maps.Keys(m.documents)) {
		if strings.HasPrefix(name, "docs/adr/") || name == "CHANGELOG.md" {
			continue
		}
		for _, p := range paragraphs(name, m.documents[name]) {
			faults = append(faults, m.places(p)...)
			faults = append(faults, m.tests(p)...)
		}
	}
	return faults
}

func (m *module) places(p passage) (faults []fault) {
	for _, found := range place.FindAllStringSubmatch(p.text, -1) {
		if !m.exists(found[1]) {
			faults = append(faults, faultf("%s: there is no %s", p.at, found[1]))
		} else if found[2] != "" && !m.declares(found[1], found[2]) {
			faults = append(faults, faultf("%s: %s has no %s", p.at, found[1], found[2]))
		}
	}
	return faults
}

func (m *module) tests(p passage) (faults []fault) {
	for _, found := range testName.FindAllStringSubmatch(p.text, -1) {
		if !m.hasTest(found[1], found[2]) {
			faults = append(faults, faultf("%s: there is no test %s", p.at, strings.Trim(found[0], "`")))
		}
	}
	return faults
}

// hasTest reports whether a package of that name has the test; an empty name
// stands for any.
func (m *module) hasTest(pkg, name string) bool {
	return slices.ContainsFunc(m.sources, func(s *source) bool {
		return s.isTest() && (pkg == "" || strings.TrimSuffix(s.file.Name.Name, "_test") == pkg) &&
			slices.ContainsFunc(s.file.Decls, func(d ast.Decl) bool { return introduces(d, name) })
	})
}

// declares reports whether a package declares a name: a function, a method, a
// type, a constant or a variable.
func (m *module) declares(directory, name string) bool {
	return slices.ContainsFunc(m.sources, func(s *source) bool {
		return s.directory() == directory && slices.ContainsFunc(s.file.Decls, func(d ast.Decl) bool { return introduces(d, name) })
	})
}

func introduces(d ast.Decl, name string) bool {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Name.Name == name
	case *ast.GenDecl:
		return slices.ContainsFunc(d.Specs, func(spec ast.Spec) bool { return specifies(spec, name) })
	}
	return false
}

func specifies(spec ast.Spec, name string) bool {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		return spec.Name.Name == name
	case *ast.ValueSpec:
		return slices.ContainsFunc(spec.Names, func(n *ast.Ident) bool { return n.Name == name })
	}
	return false
}

// quoted is what stands between backquotes.
var quoted = regexp.MustCompile("`([^`]+)`")

func checkMap(m *module) (faults []fault) {
	text, there := m.documents[designDocument]
	if !there {
		return nil
	}
	rows := mapRows(text)
	if len(rows) == 0 {
		return []fault{faultf("%s has no section %s with a table", designDocument, mapSection)}
	}
	for _, cells := range rows {
		faults = append(faults, m.mapRow(cells)...)
	}
	return faults
}

// mapRows returns the cells of the map's lines, without the head of the table
// and without the lines that name a group.
func mapRows(text string) (rows [][]string) {
	_, section, _ := strings.Cut(text, "\n## "+mapSection+" ")
	section, _, _ = strings.Cut(section, "\n## ")
	_, table, _ := strings.Cut(section, "|---|---|---|\n")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) == 5 && !strings.HasPrefix(strings.TrimSpace(cells[1]), "**") {
			rows = append(rows, cells[1:4])
		}
	}
	return rows
}

// mapRow checks one line: where something is, in which files, under which
// names.
func (m *module) mapRow(cells []string) (faults []fault) {
	files, names := quoted.FindAllStringSubmatch(cells[1], -1), quoted.FindAllStringSubmatch(cells[2], -1)
	if len(files) == 0 {
		return []fault{faultf("%s, %s: %q names no file", designDocument, mapSection, strings.TrimSpace(cells[0]))}
	}
	for _, file := range files {
		if !m.exists(file[1]) {
			faults = append(faults, faultf("%s, %s: there is no %s", designDocument, mapSection, file[1]))
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(files, func(file []string) bool { return m.declares(path.Dir(file[1]), name[1]) }) {
			faults = append(faults, faultf("%s, %s: %s is not declared beside %s", designDocument, mapSection, name[1], files[0][1]))
		}
	}
	return faults
}

// unknown is a name that nobody can follow: a pattern, and the texts of which one
// is in whatever matches it. To look for a text takes a hundredth of the time, and
// hardly any passage has one.
type unknown struct {
	texts   []string
	pattern *regexp.Regexp
}

// unknownWords are names of texts and plans that are not in the repository.
var unknownWords = []unknown{
	{[]string{"DESIGN"}, regexp.MustCompile(`\bDESIGN(\.md)?\b`)},
	{[]string{"CONTRACT"}, regexp.MustCompile(`\bCONTRACT(\.md)?\b`)},
	{plans, regexp.MustCompile(`\b(` + strings.Join(plans, "|") + `)\b`)},
	{[]string{"y the seed"}, regexp.MustCompile(`\b[Bb]y the seed\b`)},
	{[]string{"he seed"}, regexp.MustCompile(`\b[Tt]he seed('s|:| says\b| asks\b| has it\b)`)},
	{[]string{"ssue "}, regexp.MustCompile(`\b[Ii]ssue #?\d+`)},
	{[]string{"ouse review"}, regexp.MustCompile(`\b[Hh]ouse review\b`)},
	{[]string{"/work/"}, regexp.MustCompile(`(^|\s)/work/`)},
}

var plans = []string{"First light", "Every error recovers", "Nobody impersonates", "Sessions that survive", "A house for what"}

// in returns what is in a passage, or nothing.
func (u unknown) in(text string) string {
	if !slices.ContainsFunc(u.texts, func(part string) bool { return strings.Contains(text, part) }) {
		return ""
	}
	return u.pattern.FindString(text)
}

func checkWords(m *module) (faults []fault) {
	for _, p := range m.passages() {
		for _, word := range unknownWords {
			if found := word.in(p.text); found != "" {
				faults = append(faults, faultf("%s: %q", p.at, found))
			}
		}
	}
	return faults
}

package architecture

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

var documentationRules = []rule{
	{
		name: "package comments",
		remedy: "begin the comment with \"Package NAME\" (\"Command NAME\" for a main package), and say what lives " +
			"there, what it owns, and what may not be touched from outside",
		check: checkPackageComments,
		refused: []sample{
			{"a/a.go": "package a\n"},
			{"a/a.go": "// Nothing about it.\npackage a\n"},
			{"a/a_test.go": "// Package a is described in a test only.\npackage a\n"},
			{"cmd/a/main.go": "// Package main says little.\npackage main\n"},
		},
		accepted: []sample{
			{"a/doc.go": "// Package a is small.\npackage a\n", "a/a.go": "package a\n", "a/a_test.go": "package a_test\n"},
			{"cmd/a/main.go": "// Command a prints an a.\npackage main\n"},
		},
	},
	{
		name: "doc comments",
		remedy: "write a doc comment that says what it is or does, with units, ranges, errors and the section it comes from; " +
			"or unexport it",
		check: checkDocComments,
		refused: []sample{
			{"a/a.go": "package a\nfunc Exported() {}\n"},
			{harness + "/a.go": "package systemtest\nfunc Exported() {}\n"},
			{"a/a.go": "package a\ntype Exported int\n"},
			{"a/a.go": "package a\nvar Exported int\n"},
			{"a/a.go": "package a\nconst (\n\tExported = 1\n)\n"},
			{"a/a.go": "package a\n// T is documented.\ntype T[K any] struct{}\nfunc (*T[K]) Exported() {}\n"},
			{"messages/a.go": "package messages\n// T is documented.\ntype T interface { Exported() }\n"},
		},
		accepted: []sample{
			{"a/a.go": "package a\n// Exported does nothing.\nfunc Exported() {}\nfunc private() {}\n"},
			{"a/a.go": "package a\n// The numbers.\nconst (\n\tOne = 1\n\tTwo = 2\n)\n"},
			{"a/a.go": "package a\nvar (\n\tOne = 1 // is the first\n)\n"},
			{"lwm2m/a.go": "package lwm2m\n// T has Exported, which does nothing.\ntype T interface { Exported() }\n"},
			{"a/a.go": "package a\n// T is internal.\ntype T interface { Exported() }\n"},
			{"a/a.go": "package a\ntype private int\nfunc (private) Exported() {}\n"},
			{"cmd/a/main.go": "package main\nfunc Exported() {}\n"},
		},
	},
}

func checkPackageComments(m *module) (faults []fault) {
	described := map[string]bool{}
	for _, s := range m.sources {
		described[s.directory()] = described[s.directory()] || !s.isTestFile() && describesPackage(s.file)
	}
	for _, directory := range slices.Sorted(keys(described)) {
		if !described[directory] {
			faults = append(faults, faultf("%s: no package comment", directory))
		}
	}
	return faults
}

func describesPackage(file *ast.File) bool {
	opening := "Package " + file.Name.Name + " "
	if file.Name.Name == "main" {
		opening = "Command "
	}
	return strings.HasPrefix(file.Doc.Text(), opening)
}

func checkDocComments(m *module) (faults []fault) {
	for _, s := range m.importable() {
		if s.file.Name.Name == "main" {
			continue // nobody can import it
		}
		names := undocumented(s.file)
		if matchesAny(public, s.path) {
			names = append(names, undocumentedMethods(s.file)...)
		}
		for _, name := range names {
			faults = append(faults, faultf("%s: %s has no doc comment", s.at(name), name.Name))
		}
	}
	return faults
}

// public are the packages that others may import.
var public = []string{"*.go", "lwm2m/...", "lwm2mtest/*.go", "messages/*.go"}

// undocumented returns the exported names of a file without a comment.
func undocumented(file *ast.File) (names []*ast.Ident) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && receiverIsExported(d) {
				names = append(names, d.Name)
			}
		case *ast.GenDecl:
			names = append(names, undocumentedSpecs(d)...)
		}
	}
	return names
}

// receiverIsExported reports whether a function can be seen from outside as
// far as its receiver goes.
func receiverIsExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	receiver := d.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return false
		}
	}
}

// undocumentedSpecs looks at one declaration of constants, variables or types.
// A comment on a group speaks for all of its constants and variables.
func undocumentedSpecs(d *ast.GenDecl) (names []*ast.Ident) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			if d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				names = append(names, exportedOf(spec.Names)...)
			}
		case *ast.TypeSpec:
			single := d.Lparen == token.NoPos && d.Doc != nil
			if !single && spec.Doc == nil && spec.Comment == nil {
				names = append(names, exportedOf([]*ast.Ident{spec.Name})...)
			}
		}
	}
	return names
}

// undocumentedMethods returns the methods of exported interfaces that have no
// comment and are not spoken of in the comment of their interface.
func undocumentedMethods(file *ast.File) (names []*ast.Ident) {
	for _, d := range file.Decls {
		general, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok && t.Name.IsExported() {
				names = append(names, silentMethods(t, general.Doc.Text()+t.Doc.Text())...)
			}
		}
	}
	return names
}

func silentMethods(spec *ast.TypeSpec, doc string) (names []*ast.Ident) {
	t, ok := spec.Type.(*ast.InterfaceType)
	if !ok {
		return nil
	}
	for _, method := range t.Methods.List {
		if method.Doc == nil && method.Comment == nil {
			names = append(names, exportedOf(method.Names)...)
		}
	}
	return slices.DeleteFunc(names, func(n *ast.Ident) bool { return strings.Contains(doc, n.Name) })
}

func exportedOf(names []*ast.Ident) []*ast.Ident {
	return slices.DeleteFunc(slices.Clone(names), func(n *ast.Ident) bool { return !n.IsExported() })
}

package architecture

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

var timerRules = []rule{
	{
		name: "timers",
		remedy: "give the timer a positive constant, or call alarm.After, which arms none for what is due at once; " +
			"in a bubble of testing/synctest two timers that are due when they are armed crash under the race detector. " +
			"A file that makes sure of it by itself is listed in timers_test.go, with how",
		check: checkTimers,
		refused: []sample{
			{"a/a.go": "package a\nimport \"time\"\nfunc f(d time.Duration) { time.AfterFunc(d, nil) }"},
			{"a/a.go": "package a\nimport t \"time\"\nvar c = t.After(0)"},
			{"a/a.go": "package a\nimport \"time\"\nvar timer = time.NewTimer(-time.Second)"},
			{"a/a.go": "package a\nimport \"time\"\nvar arm = time.AfterFunc"},
			{"a/a.go": "package a\nimport \"time\"\nconst never = 0\nvar timer = time.NewTimer(never * time.Second)"},
			{"a/a.go": "package a\nfunc f() { x.timer.Reset(d) }"},
			{"a/a.go": "package a\nimport \"time\"\nconst d = time.Hour\nfunc f(d time.Duration) { time.AfterFunc(d, nil) }"},
			{"a/a_test.go": "package a\nimport \"time\"\nfunc f(n int) { <-time.After(time.Duration(n) * time.Second) }"},
		},
		accepted: []sample{
			{"a/a.go": "package a\nimport \"time\"\nvar timer = time.NewTimer(2 * time.Second)\nfunc f() { timer.Reset(time.Hour) }"},
			{"a/a.go": "package a\nimport \"time\"\nconst long = 3 * (unit + time.Second)", "a/b.go": "package a\nimport \"time\"\n" +
				"const unit = time.Hour\nfunc f() { const more = 2; time.AfterFunc(more*long, nil) }"},
			{"a/a.go": "package a\nimport (\"time\"; \"" + self + "/b\")\nvar ticker = time.NewTicker(b.Pace)",
				"b/b.go": "package b\nimport \"time\"\nconst Pace = time.Minute"},
			{"a/a.go": "package a\nimport \"" + self + "/coap\"\nfunc f(mid uint16) { coap.Reset(mid) }"},
			{"internal/alarm/alarm.go": "package alarm\nimport \"time\"\nfunc After(d time.Duration) { time.AfterFunc(d, nil) }"},
		},
	},
}

// armers are the functions of package time that arm a timer for a duration. A
// context's deadline is none of them: one that has passed arms nothing.
var armers = []string{"AfterFunc", "NewTimer", "After", "Tick", "NewTicker"}

// punctual are the files that see by themselves to it that no timer is due when
// it is armed.
var punctual = map[string]string{
	"internal/alarm/alarm.go":     "asks whether d is positive",
	"internal/actorkit/timers.go": "the same, and sends at once",
	"internal/store/lock.go":      "Open takes its default for a timeout that is not positive",
	"gateway/statistics.go":       "ends at once a collection that is over",
	"lwm2mtest/schedule.go":       "arms the timer only when pop has taken all that is due",
	"interop/client_test.go":      "on real sockets, never in a bubble",
	"internal/systemtest/live.go": "the same",
}

func checkTimers(m *module) (faults []fault) {
	known := constantsOf(m)
	for _, s := range m.sources {
		if punctual[s.path] == "" {
			faults = append(faults, hastyTimers(s, known)...)
		}
	}
	return faults
}

// hastyTimers finds the timers of a file whose duration is not known to be
// positive, and the functions that arm one and are not called on the spot.
func hastyTimers(s *source, known constants) (faults []fault) {
	judged := map[ast.Expr]bool{}
	ast.Inspect(s.file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if ok && len(call.Args) > 0 && (s.arms(call.Fun) || s.rearms(call)) {
			judged[call.Fun] = known.positive(s, call.Args[0])
		}
		return true
	})
	ast.Inspect(s.file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if punctual, called := judged[selector]; called && !punctual || !called && s.arms(selector) {
			faults = append(faults, faultf("%s: %s with a duration that may not be positive", s.at(selector), selector.Sel.Name))
		}
		return true
	})
	return faults
}

// arms reports whether an expression is one of the armers.
func (s *source) arms(e ast.Expr) bool {
	selector, ok := e.(*ast.SelectorExpr)
	return ok && slices.Contains(armers, selector.Sel.Name) && s.packageOf(selector) == "time"
}

// rearms reports whether a call may be that of a timer's Reset: a method of that
// name with one argument.
func (s *source) rearms(call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	return ok && selector.Sel.Name == "Reset" && len(call.Args) == 1 && s.packageOf(selector) == ""
}

// packageOf returns the import path of the package that a name is selected from,
// or "" when that is none.
func (s *source) packageOf(selector *ast.SelectorExpr) string {
	x, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, spec := range s.file.Imports {
		if s.localName(imported(spec)) == x.Name {
			return imported(spec)
		}
	}
	return ""
}

// constants are the values of the constants of a module, by directory and name.
type constants map[string]map[string]constantValue

// constantValue is an expression, and the file that it stands in.
type constantValue struct {
	in    *source
	value ast.Expr
}

func constantsOf(m *module) constants {
	known := constants{}
	for _, s := range m.sources {
		ast.Inspect(s.file, func(node ast.Node) bool {
			if d, ok := node.(*ast.GenDecl); ok && d.Tok == token.CONST {
				known.declare(s, d)
			}
			return true
		})
	}
	return known
}

func (c constants) declare(s *source, d *ast.GenDecl) {
	if c[s.directory()] == nil {
		c[s.directory()] = map[string]constantValue{}
	}
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if i < len(v.Values) {
				c[s.directory()][name.Name] = constantValue{s, v.Values[i]}
			}
		}
	}
}

// positive reports whether an expression is a constant above zero, as far as can
// be told from sums and products.
func (c constants) positive(s *source, e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strings.Trim(e.Value, "0.") != ""
	case *ast.ParenExpr:
		return c.positive(s, e.X)
	case *ast.BinaryExpr:
		return (e.Op == token.MUL || e.Op == token.ADD) && c.positive(s, e.X) && c.positive(s, e.Y)
	case *ast.Ident:
		return !s.varies(e.Name) && c.named(s.directory(), e.Name)
	case *ast.SelectorExpr:
		from := s.packageOf(e)
		return from == "time" || below(self, from) && c.named(path.Clean("./"+strings.TrimPrefix(from, self)), e.Sel.Name)
	}
	return false
}

// varies reports whether a name stands for a parameter or a variable somewhere in
// the file, where it would hide a constant.
func (s *source) varies(name string) (found bool) {
	is := func(e ast.Expr) bool {
		x, ok := e.(*ast.Ident)
		return ok && x.Name == name
	}
	ast.Inspect(s.file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncType:
			for _, p := range node.Params.List {
				found = found || slices.ContainsFunc(p.Names, func(x *ast.Ident) bool { return is(x) })
			}
		case *ast.AssignStmt:
			found = found || slices.ContainsFunc(node.Lhs, is)
		}
		return !found
	})
	return found
}

func (c constants) named(directory, name string) bool {
	v, ok := c[directory][name]
	return ok && c.positive(v.in, v.value)
}

// A file that has gone, or has no such timer any more, leaves the list.
func TestPunctualFilesHaveTimers(t *testing.T) {
	m := holdfast(t)
	known := constantsOf(m)
	for name := range punctual {
		i := slices.IndexFunc(m.sources, func(s *source) bool { return s.path == name })
		if i < 0 || len(hastyTimers(m.sources[i], known)) == 0 {
			t.Errorf("%s is not there, or needs no excuse", name)
		}
	}
}

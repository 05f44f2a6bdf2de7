package object

// growing builds a list that stays the old one as long as nothing differs.
type growing[E any] struct {
	old, out []E
	n        int // how many are as in old
	differs  bool
}

// next is the old element at the place of the next one.
func (g *growing[E]) next() (e E, found bool) {
	if g.differs || g.n >= len(g.old) {
		return e, false
	}
	return g.old[g.n], true
}

// add appends an element; same says that it is the next old one.
func (g *growing[E]) add(e E, same bool) {
	if same {
		g.n++
		return
	}
	g.diverge()
	g.out = append(g.out, e)
}

// diverge says that the next element is not as in old.
func (g *growing[E]) diverge() {
	if !g.differs {
		g.out = append(make([]E, 0, max(len(g.old), g.n+1)), g.old[:g.n]...)
		g.differs = true
	}
}

func (g *growing[E]) done() []E {
	if !g.differs && g.n < len(g.old) {
		g.diverge()
	}
	if g.differs {
		return g.out
	}
	return g.old
}

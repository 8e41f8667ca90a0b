package meter

// Fixed and Counter count by windows that begin at multiples of Window since 1970:
// A is the start of the present one, B what it has let pass. A Counter also has C,
// what the window before it let pass, which counts in proportion to how much of it
// lies within a Window of now.

func newCounter(r Rule) (Rule, error) {
	err := r.coarsen(func(ticks int64) bool { return ticks <= exact/4/r.Capacity })
	return r, err
}

// turn begins the window of now, if that is a later one.
func (r *Rule) turn(c *Cell, now int64) {
	start := now - now%r.Window
	if c.A >= start { // later, if Window has changed
		c.A = start
		return
	}
	before := c.B
	if start-c.A > r.Window {
		before = 0
	}
	c.A, c.B = start, 0
	if r.Kind == Counter {
		c.C = before
	}
}

// share returns how many ticks of the window before count at now, and of how many.
func (r *Rule) share(c *Cell, now int64) (count, of int64) {
	of = r.Window / r.Tick
	return max(0, of-(now-c.A)/r.Tick), of
}

func (r *Rule) counterLeft(c *Cell, now int64) int64 {
	count, of := r.share(c, now)
	return max(0, max(0, r.Capacity*of-c.C*count)/of-c.B)
}

// counterWait is called for an n that does not fit now, but can.
func (r *Rule) counterWait(c *Cell, now, n int64) int64 {
	_, of := r.share(c, now)
	if room := r.Capacity - c.B - n; room >= 0 { // when less of the window before counts
		return c.A + (of-room*of/c.C)*r.Tick - now
	}
	// When this one is the window before.
	return c.A + r.Window + (of-(r.Capacity-n)*of/c.B)*r.Tick - now
}

func (r *Rule) counterReset(c *Cell, now int64) int64 {
	switch {
	case c.B > 0:
		return c.A + 2*r.Window - now
	case c.C > 0:
		return c.A + r.Window - now
	}
	return 0
}

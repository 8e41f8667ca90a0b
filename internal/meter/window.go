package meter

// Fixed and Counter count by windows that begin at multiples of Window since 1970: A is the
// start of the current one, B is what it has admitted. A Counter also has C, what the
// previous window admitted; it counts in proportion to the part of that window that is less
// than a Window ago.

func newCounter(r Rule) (Rule, error) {
	err := r.coarsen(func(ticks int64) bool { return ticks <= exact/4/r.Capacity })
	return r, err
}

// turn begins the window of now, if it is a later one.
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

// share returns the ticks of the previous window that count at now, and the ticks in a
// window.
func (r *Rule) share(c *Cell, now int64) (count, of int64) {
	of = r.Window / r.Tick
	return max(0, of-(now-c.A)/r.Tick), of
}

func (r *Rule) counterLeft(c *Cell, now int64) int64 {
	count, of := r.share(c, now)
	return max(0, max(0, r.Capacity*of-c.C*count)/of-c.B)
}

// counterWait is Wait for an n that does not fit now, but can.
func (r *Rule) counterWait(c *Cell, now, n int64) int64 {
	_, of := r.share(c, now)
	if room := r.Capacity - c.B - n; room >= 0 { // when less of the previous window counts
		return c.A + (of-room*of/c.C)*r.Tick - now
	}
	// When the current window is the previous one.
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

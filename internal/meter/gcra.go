package meter

// GCRA is the generic cell rate algorithm (ITU-T I.371), as a bucket that drains: A is the
// debt. Rate and debt are whole multiples of 1/Unit, so that a tick removes a whole number
// of them and nothing is rounded.

func newGCRA(r Rule, limit, burst int64) (Rule, error) {
	r.Capacity = burst
	err := r.coarsen(func(ticks int64) bool {
		g := gcd(limit, ticks)
		r.Drain, r.Unit = limit/g, ticks/g
		// With room for the debt of one more call, and for rounding up.
		return r.Drain < exact/4 && r.Unit <= exact/4/burst-1
	})
	if err == nil {
		r.Full = ceil(burst*r.Unit, r.Drain)
	}
	return r, err
}

// drain removes the debt drained since last.
func (r *Rule) drain(c *Cell, last, now int64) {
	if ticks := r.ticks(now) - r.ticks(last); ticks >= r.Full {
		c.A = 0
	} else {
		c.A = max(0, c.A-ticks*r.Drain)
	}
}

// ticks returns t in ticks, rounded down.
func (r *Rule) ticks(t int64) int64 {
	if r.Tick == 1 { // the common case: a division takes longer than the rest
		return t
	}
	return t / r.Tick
}

// gcra is Decide for the most frequent case, all or nothing of a single GCRA. It is the
// same arithmetic without calls and switches on Kind.
func (d *Decision) gcra(r *Rule, c *Cell, last, now, n int64) {
	*d = Decision{}
	r.drain(c, last, now)
	full := r.Capacity * r.Unit
	d.Left = max(0, full-c.A) / r.Unit
	switch d.Allowed = n <= d.Left; {
	case d.Allowed:
		d.Passed, d.Left = n, d.Left-n
		c.A += n * r.Unit
	case n > r.Capacity:
		d.Wait = Never
	default:
		d.Wait = r.after(now, ceil(c.A+n*r.Unit-full, r.Drain))
	}
	d.Reset = r.after(now, ceil(c.A, r.Drain))
	if d.Allowed {
		d.Idle = d.Reset
	}
	if d.Left < r.Capacity {
		d.Next = r.after(now, ceil(c.A+(d.Left+1)*r.Unit-full, r.Drain))
	}
}

// after returns the time from now until a number of ticks have passed.
func (r *Rule) after(now, ticks int64) int64 {
	if ticks == 0 {
		return 0
	}
	return (r.ticks(now)+ticks)*r.Tick - now
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

package meter

// GCRA is the generic cell rate algorithm (ITU-T I.371), as a bucket that drains:
// A is the debt. Rate and debt are whole multiples of 1/Unit, chosen such that a
// tick takes away a whole number of them: nothing is ever rounded.

func newGCRA(r Rule, limit, burst int64) (Rule, error) {
	r.Capacity = burst
	err := r.coarsen(func(ticks int64) bool {
		g := gcd(limit, ticks)
		r.Drain, r.Unit = limit/g, ticks/g
		// With room for the debt that a call would add, and for rounding up.
		return r.Drain < exact/4 && r.Unit <= exact/4/burst-1
	})
	if err == nil {
		r.Full = ceil(burst*r.Unit, r.Drain)
	}
	return r, err
}

// drain takes away what has drained since last.
func (r *Rule) drain(c *Cell, last, now int64) {
	if ticks := r.ticks(now) - r.ticks(last); ticks >= r.Full {
		c.A = 0
	} else {
		c.A = max(0, c.A-ticks*r.Drain)
	}
}

// ticks returns t in ticks, rounded down.
func (r *Rule) ticks(t int64) int64 {
	if r.Tick == 1 { // nearly always, and a division takes longer than the rest
		return t
	}
	return t / r.Tick
}

// gcra is Decide for what is asked most, all or nothing of a single GCRA: the same
// arithmetic, without a call and a question of the Kind for each step.
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

// after returns how long from now until so many ticks have passed.
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

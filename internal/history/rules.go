package history

import "time"

// Rules say what is promised. See the package comment.
type Rules struct {
	// MaxUnheard is how long after a write had returned L1 of other processes
	// may still serve what was before.
	MaxUnheard time.Duration

	// Slack is added to MaxUnheard. See where it is used for what it excuses.
	Slack time.Duration

	// Hold is the length of all holds, those of brackets and those of Hold.
	// 0: Redis may lose holds, so that nothing rests on them.
	Hold time.Duration

	// Lag is how far behind the replicas are that the source is read from.
	Lag time.Duration

	// Failovers are the times in which Redis may lose what it had confirmed.
	Failovers []Window
}

// A Window is a failover: what was written while it went on may be lost, until it
// has been written again.
type Window struct {
	From  time.Duration // the first write that may be lost returns
	To    time.Duration // the last one that may be lost has returned
	Until time.Duration // all of them have been written again
	Since time.Duration // no answer that returned before it misses one; 0 with most failovers
	Own   bool          // they may be missed in the process that wrote them, too
}

// unheard is for how long after a promise was made g may miss it.
func (r *Rules) unheard(g *Op) time.Duration {
	if g.strict() {
		return 0
	}
	return r.MaxUnheard + r.Slack
}

// excuses reports whether w may be missed by g because of a failover. L1 is told of
// what was written again as of any write.
func (r *Rules) excuses(w *written, g *Op) bool {
	for _, f := range r.Failovers {
		if w.Process == g.Process && !f.Own {
			continue
		}
		if f.From <= w.Return && w.Return <= f.To && f.Since <= g.Return && g.Call < f.Until+r.unheard(g) {
			return true
		}
	}
	return false
}

// since returns how long before t the last failover was over.
func (r *Rules) since(t time.Duration) (d time.Duration) {
	for _, w := range r.Failovers {
		if w.To < t && (d == 0 || t-w.To < d) {
			d = t - w.To
		}
	}
	return d
}

// strict reports whether the answer g comes from behind L1.
func (o *Op) strict() bool { return o.Tier == L2 || o.Tier == Source }

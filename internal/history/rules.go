package history

import "time"

// Rules define the guarantees. See the package comment.
type Rules struct {
	// MaxDisconnected is how long after the return of a write L1 of other processes may
	// serve older values.
	MaxDisconnected time.Duration

	// Slack is added to MaxDisconnected.
	Slack time.Duration

	// Hold is the duration of all holds, of write intents and of Hold. 0: Redis may lose
	// holds, so no guarantee depends on them.
	Hold time.Duration

	// Lease is how long a read may wait while no process loads its key: until a lease without
	// a holder has expired. 0: not checked, as where processes are stopped.
	Lease time.Duration

	// Lag is how far the replicas of the source may lag.
	Lag time.Duration

	// Failovers are the periods in which Redis may lose confirmed writes.
	Failovers []Window

	// Unpushed returns how long after the return of w a read may miss it, because Redis pushed
	// no invalidation: see docs/guarantees.md on evictions. nil: no time.
	Unpushed func(w *Op) time.Duration
}

// A Window is a failover: writes during it may be lost until they are replayed.
type Window struct {
	From  time.Duration // return of the first write that may be lost
	To    time.Duration // call of the last write that may be lost: Redis may have carried it out before its reply arrived
	Until time.Duration // all of them have been replayed
	Since time.Duration // no answer that returned before it misses one; 0 with most failovers
	Own   bool          // they may be missed in the process that wrote them, too
}

// disconnected returns how long after a guarantee began g may miss it.
func (r *Rules) disconnected(g *Op) time.Duration {
	if g.strict() {
		return 0
	}
	return r.MaxDisconnected + r.Slack
}

// excuses reports whether g may miss w because of a failover, or because w was not pushed.
// Replayed writes reach L1 like all writes.
func (r *Rules) excuses(w *written, g *Op) bool {
	if r.Unpushed != nil && w.Process != g.Process && g.Call < w.Return+r.Unpushed(&w.Op) {
		return true
	}
	for _, f := range r.Failovers {
		if w.Process == g.Process && !f.Own {
			continue
		}
		if f.From <= w.Return && w.Call <= f.To && f.Since <= g.Return && g.Call < f.Until+r.disconnected(g) {
			return true
		}
	}
	return false
}

// since returns the time from the end of the last failover to t.
func (r *Rules) since(t time.Duration) (d time.Duration) {
	for _, w := range r.Failovers {
		if w.To < t && (d == 0 || t-w.To < d) {
			d = t - w.To
		}
	}
	return d
}

// strict reports whether L2 or the source answered.
func (o *Op) strict() bool { return o.Tier == L2 || o.Tier == Source }

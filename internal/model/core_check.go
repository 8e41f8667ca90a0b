package model

// What a Get may return.

// checkStrict checks a Get of r that Redis or a load has answered with version ver.
func (c *coreRules) checkStrict(s *coreState, r int, ver uint8) violation {
	if floor := s.reader[r].floor; ver < floor {
		return breaks(G1, say("a strict Get returned v%d, but the Delete of v%d had returned before it began", ver, floor))
	}
	return holds
}

// checkCopy checks a Get of r that the copy in L1 has answered with version ver.
// Of several broken guarantees it returns the one that says most.
func (c *coreRules) checkCopy(s *coreState, r int, ver uint8) violation {
	me, p := &s.reader[r], processOf(r)
	ownWrite := c.ownWriter && !(c.foreignSecond && s.returned > 1) && p == 0
	switch {
	case ver < me.floor && !s.process[p].willDrop():
		return breaks(G4, say("L1 served v%d < v%d and no push is on its way (stale for good)", ver, me.floor))
	case c.timed() && ver < me.floorH:
		return breaks(G3, say("L1 served v%d though Delete of v%d had returned H or more before", ver, me.floorH))
	case ownWrite && ver < me.floor:
		return breaks(G2, say("own process: v%d after its own Delete of v%d", ver, me.floor))
	}
	return holds
}

// willDrop reports whether something is still to come that makes the process drop
// its copy: a push, or the news that its connection is gone.
func (p *process) willDrop() bool {
	if p.unaware || !p.up {
		return true
	}
	for i := range p.queue {
		if p.queue[i].kind == push {
			return true
		}
	}
	return false
}

// returnedBeforeH returns the newest version with a Delete that returned H or more ago.
func (c *coreRules) returnedBeforeH(s *coreState) uint8 {
	var newest uint8
	for v := uint8(1); v <= s.returned; v++ {
		if s.age[v] >= c.maxDisconnected {
			newest = v
		}
	}
	return newest
}

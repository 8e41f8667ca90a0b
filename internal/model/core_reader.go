package model

// stepReader: the next step of reader r, or of the script that it has sent.
func (c *coreRules) stepReader(s *coreState, r int, step emit[coreState]) {
	switch me := &s.reader[r]; me.at {
	case idle:
		c.stepGet(s, r, step)
	case sentGet:
		c.runGet(s, r, step)
	case gotGet:
		c.stepGotGet(s, r, step)
	case waiting:
		// A push ends the wait sooner. The timer is for pushes that are late.
		if s.process[processOf(r)].up && s.record.kind != lease {
			n := *s
			c.sendGet(&n, r)
			step(say("G%d's wait timer fires: asks again", uint8(r)), n, holds)
		}
	case loading, refreshing:
		n := *s
		n.reader[r].ver = s.db
		n.reader[r].at++
		step(say("G%d reads v%d from the database", uint8(r), s.db), n, holds)
	case loaded:
		c.stepLoaded(s, r, step)
	case sentFill, sentRefresh:
		c.runFill(s, r, step)
	case gotFill:
		c.stepGotFill(s, r, step)
	case refreshed:
		c.stepRefreshed(s, r, step)
	case gotRefresh:
		n := *s
		if me.reply == filled {
			c.store(&n, r)
		}
		n.end(r)
		step(say("G%d refresh done", uint8(r)), n, holds)
	}
}

// stepGet begins a Get: the copy answers, or it joins a load of its process, or
// it asks Redis.
func (c *coreRules) stepGet(s *coreState, r int, step emit[coreState]) {
	if s.reader[r].gets == 0 {
		return
	}
	n, i, g := *s, processOf(r), uint8(r)
	me, p := &n.reader[r], &s.process[i]
	me.gets.spend()
	me.floor, me.floorH = s.returned, c.returnedBeforeH(s)
	if p.hasCopy && (!c.timed() || c.without.heartbeat || p.leaseLeft > 0) {
		broken := c.checkCopy(&n, r, p.copyVer)
		n.end(r)
		step(say("G%d Get: L1 hit v%d", g, p.copyVer), n, broken)
		return
	}
	for o := range s.reader {
		if o != r && processOf(o) == i && c.joinable(&s.reader[o]) {
			m := n
			m.reader[r].at, m.reader[r].leader = joined, uint8(o)
			step(say("G%d Get: joins the flight of G%d", g, uint8(o)), m, holds)
		}
	}
	if !p.up {
		return // without Redis a Get returns what the database has, which is fresh
	}
	c.sendGet(&n, r)
	step(say("G%d Get: sends get", g), n, holds)
}

// joinable reports whether a Get may wait for the load of r. It may until the
// fill is sent: an accepted fill proves that no Delete ran before it.
func (c *coreRules) joinable(r *reader) bool {
	switch r.at {
	case loading, loaded:
		return !r.closed
	case sentFill, gotFill:
		return !r.closed && c.without.joinerLimit
	}
	return false
}

// sendGet makes r ask Redis, and the leader of a load if it gets the lease.
func (c *coreRules) sendGet(s *coreState, r int) {
	me := &s.reader[r]
	me.token = c.newToken(s, processOf(r))
	me.at, me.poisoned, me.closed, me.leader = sentGet, false, false, 0
}

// newToken returns a token that is not in use.
func (c *coreRules) newToken(s *coreState, i int) uint8 {
	if c.without.ownToken {
		return firstFixedName + uint8(i)
	}
	last := s.record.id
	for r := range s.reader {
		last = max(last, s.reader[r].token, s.reader[r].id)
	}
	for p := range s.process {
		for m := range s.process[p].queue {
			last = max(last, s.process[p].queue[m].id)
		}
	}
	return last + 1
}

// stepGotGet acts on the reply of the get script.
func (c *coreRules) stepGotGet(s *coreState, r int, step emit[coreState]) {
	g, me := uint8(r), &s.reader[r]
	if me.reply == hit {
		c.stepHit(s, r, step)
		return
	}
	n := *s
	switch {
	case me.reply == leaseYours:
		n.reader[r].at = loading
		step(say("G%d has the lease: begins the load", g), n, holds)
	case me.poisoned: // the push has come already: another one will not
		c.sendGet(&n, r)
		step(say("G%d asks again (push seen)", g), n, holds)
	default:
		n.reader[r].at = waiting
		step(say("G%d waits", g), n, holds)
	}
}

// stepHit: the Get returns what Redis had, and may start a refresh.
func (c *coreRules) stepHit(s *coreState, r int, step emit[coreState]) {
	n, g, me := *s, uint8(r), &s.reader[r]
	c.store(&n, r)
	broken := c.checkStrict(s, r, me.ver)
	n.end(r)
	how := choose(me.poisoned, "G%d returns v%d (L2 hit), not stored in L1", "G%d returns v%d (L2 hit), stored in L1")
	step(say(how, g, me.ver), n, broken)
	if c.refresh && broken == holds {
		n.reader[r] = reader{at: refreshing, gets: me.gets, id: me.id, token: c.newToken(&n, processOf(r))}
		step(say("G%d returns v%d and starts an eager refresh", g, me.ver), n, holds)
	}
}

// stepLoaded sends the fill. It is a read of its own: what was poisoned during
// the load does not matter for it. From here on the load is not joined any more.
func (c *coreRules) stepLoaded(s *coreState, r int, step emit[coreState]) {
	n, g, ver := *s, uint8(r), s.reader[r].ver
	if !s.process[processOf(r)].up {
		n.end(r)
		n.endJoiners(r)
		step(say("G%d returns v%d, cannot fill", g, ver), n, c.checkStrict(s, r, ver))
		return
	}
	me := &n.reader[r]
	me.at, me.poisoned = sentFill, false
	me.closed = me.closed || !c.without.joinerLimit
	step(say("G%d sends fill v%d", g, ver), n, holds)
}

// stepGotFill: the Get returns what it has loaded, filled or not: its load began
// after it did. Readers that joined it later accept that only if the fill was accepted.
func (c *coreRules) stepGotFill(s *coreState, r int, step emit[coreState]) {
	n, me := *s, &s.reader[r]
	broken := c.checkStrict(s, r, me.ver)
	if me.reply == filled {
		c.store(&n, r)
	}
	for j := range s.reader {
		switch {
		case s.reader[j].at != joined || int(s.reader[j].leader) != r:
		case me.reply == filled || c.without.joinerRetry:
			if v := c.checkStrict(s, j, me.ver); v != holds {
				broken = v
			}
			n.end(j)
		default:
			c.sendGet(&n, j)
		}
	}
	n.end(r)
	how := choose(me.reply == filled, "G%d returns v%d (loaded; fill accepted)", "G%d returns v%d (loaded; fill refused)")
	step(say(how, uint8(r), me.ver), n, broken)
}

// stepRefreshed sends what an eager refresh has loaded.
func (c *coreRules) stepRefreshed(s *coreState, r int, step emit[coreState]) {
	n := *s
	if !s.process[processOf(r)].up {
		n.end(r)
		step(say("G%d gives its refresh up", uint8(r)), n, holds)
		return
	}
	me := &n.reader[r]
	me.at, me.poisoned = sentRefresh, false
	step(say("G%d sends CAS fill v%d", uint8(r), me.ver), n, holds)
}

// store makes what r has read or loaded the copy of its process.
func (c *coreRules) store(s *coreState, r int) {
	i, me := processOf(r), &s.reader[r]
	if !me.poisoned && c.hasMemory(i) {
		s.process[i].hasCopy, s.process[i].copyVer = true, me.ver
	}
}

// end makes r ready for its next Get.
func (s *coreState) end(r int) { s.reader[r] = reader{gets: s.reader[r].gets} }

// endJoiners ends the Gets that have joined the load of r.
func (s *coreState) endJoiners(r int) {
	for j := range s.reader {
		if s.reader[j].at == joined && int(s.reader[j].leader) == r {
			s.end(j)
		}
	}
}

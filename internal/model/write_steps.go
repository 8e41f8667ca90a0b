package model

// stepWriter: the next step of writer w.
func (c *writeRules) stepWriter(s *writeState, w int, step emit[writeState]) {
	n, me, id := *s, &s.writer[w], uint8(w+1)
	switch me.stage {
	case notBegun:
		if c.intent[w] {
			c.begin(&n, w)
			step(say("W%d BeginWrite", id), n, holds)
		} else {
			n.commit(w, hasCommitted)
			step(say("W%d commits v%d (no write intent)", id, n.db), n, holds)
		}
	case begun:
		c.stepTransaction(s, w, step)
	case commitUnknown:
		n.commit(w, crashed)
		step(say("the commit of crashed W%d lands late: v%d", id, n.db), n, holds)
		n = *s
		n.writer[w].stage = aborted
		step(say("the transaction of crashed W%d is rolled back", id), n, holds)
	case hasCommitted:
		if s.crashes > 0 && c.intent[w] {
			n.crashes.spend()
			n.writer[w].stage = crashed
			step(say("W%d crashes after its commit", id), n, holds)
		}
		n = *s
		n.writer[w].stage = executed
		if c.intent[w] {
			step(c.done(&n, w), n, holds)
		} else {
			c.delete(&n)
			step(say("W%d: Redis runs Delete", id), n, holds)
		}
	case executed:
		n.writer[w].stage = finished
		n.promised = max(n.promised, me.ver)
		step(say("W%d returns (v%d is promised)", id, me.ver), n, holds)
	}
}

// stepTransaction: it commits, or aborts, or its process crashes. An abort
// leaves the hold to run out, which is the worst that can be done.
func (c *writeRules) stepTransaction(s *writeState, w int, step emit[writeState]) {
	n, id := *s, uint8(w+1)
	n.commit(w, hasCommitted)
	step(say("W%d commits v%d", id, n.db), n, holds)
	n = *s
	n.writer[w].stage = aborted
	step(say("W%d aborts and leaves", id), n, holds)
	if s.crashes > 0 {
		n = *s
		n.crashes.spend()
		n.writer[w].stage = commitUnknown
		step(say("W%d crashes; the outcome of its commit is unknown", id), n, holds)
	}
}

func (s *writeState) commit(w int, then stage) {
	s.db++
	s.writer[w] = writerState{then, s.db}
}

// begin is the script of BeginWrite: it removes the value and lays a hold, or
// makes the one that is there shared.
func (c *writeRules) begin(s *writeState, w int) {
	s.writer[w].stage = begun
	if !c.without.beginDelete || s.record.kind == lease {
		s.clear()
	}
	s.stain = false
	if s.hold.on {
		s.hold.owner = 0
	} else {
		s.hold = hold{on: true, owner: uint8(w + 1)}
	}
	s.hold.covers[w] = true
}

// delete is the script of Delete: the hold stays and is shared from now on. If
// the replica lags it lays one.
func (c *writeRules) delete(s *writeState) {
	s.clear()
	s.stain = false
	if s.hold.on && !c.without.deleteMark {
		s.hold.owner = 0
	}
	if c.without.deleteKeep {
		s.hold.on = false
	}
	if c.replica && !c.without.lagHold {
		s.hold.on, s.hold.owner = true, 0
		s.hold.need = max(s.hold.need, s.db)
	}
}

// done is the script of Done and CommitSet: only the writer that began alone, and was
// alone throughout, ends the hold, and only that one writes.
func (c *writeRules) done(s *writeState, w int) label {
	id := uint8(w + 1)
	sole := s.hold.on && (s.hold.owner == id || c.without.soleCheck)
	s.stain = false
	if sole && c.doneSet[w] {
		s.record, s.capped = record{value, s.newID(), s.writer[w].ver}, false
		s.hold.on = false
		return say("W%d: Redis runs CommitSet v%d: written", id, s.record.ver)
	}
	s.clear()
	if sole || c.without.otherHold {
		s.hold.on = false
	}
	return say("W%d: Redis runs Done: invalidated", id)
}

// stepReader: the next step of reader r.
func (c *writeRules) stepReader(s *writeState, r int, step emit[writeState]) {
	n, me, id := *s, &s.reader[r], uint8(r)
	switch me.stage {
	case notLoading:
		c.stepGet(s, r, step)
	case hasLease, hasSeen:
		source := s.db
		if c.replica {
			source = s.replica
		}
		broken := holds
		if !c.replica && me.stage == hasLease && source < me.floor {
			broken = breaks(G1, say("loaded v%d after v%d was promised", source, me.floor))
		}
		n.reader[r].ver = source
		n.reader[r].stage++
		step(say("R%d loads v%d", id, source), n, broken)
	case hasLoaded, hasRefreshed:
		c.stepFill(s, r, step)
	}
}

// stepGet: a Get returns the value, and may refresh it, or takes the lease.
func (c *writeRules) stepGet(s *writeState, r int, step emit[writeState]) {
	n, id := *s, uint8(r)
	switch s.record.kind {
	case value:
		broken := holds
		if s.record.ver < s.promised && !c.replica {
			broken = breaks(G1, say("L2 hit v%d after v%d was promised", s.record.ver, s.promised))
		}
		step(say("R%d Get: hit v%d", id, s.record.ver), n, broken)
		n.reader[r] = loader{stage: hasSeen, id: s.record.id}
		step(say("R%d begins a refresh of v%d", id, s.record.ver), n, holds)
	case absent:
		n.reader[r] = loader{stage: hasLease, id: s.newID(), floor: s.promised}
		n.record = record{kind: lease, id: n.reader[r].id}
		n.stain = false
		if c.without.leaseKeep {
			n.hold.on = false
		}
		step(say(choose(s.hold.on, "R%d Get: lease granted (hold on)", "R%d Get: lease granted"), id), n, holds)
	}
}

// stepFill is the fill script. It accepts if the lease, or the value that is
// refreshed, is still there, and caps what it accepts under a hold. A record made
// under a hold that has run out takes no fill: the cap could no longer be kept.
func (c *writeRules) stepFill(s *writeState, r int, step emit[writeState]) {
	n, me := *s, &s.reader[r]
	want := lease
	if me.stage == hasRefreshed {
		want = value
	}
	how := "R%d fills v%d: refused"
	switch {
	case s.record.kind != want || s.record.id != me.id:
	case s.stain && !s.hold.on && !c.without.refusal:
		if want == lease { // which is given back
			n.clear()
		}
	default:
		n.record = record{value, s.newID(), me.ver}
		n.capped = s.hold.on && !c.without.cap
		how = choose(n.capped, "R%d fills v%d: accepted, life capped to the hold", "R%d fills v%d: accepted")
	}
	n.reader[r] = loader{}
	step(say(how, uint8(r), me.ver), n, holds)
}

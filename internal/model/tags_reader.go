package model

// stepReader: the next step of reader r.
func (c *tagRules) stepReader(s *tagState, r int, step emit[tagState]) {
	n, id := *s, uint8(r)
	me := &n.reader[r]
	switch me.stage {
	case tagIdle:
		me.floor = s.returned
		switch s.record.kind {
		case value:
			n.take(r)
			step(say("R%d Get: record v%d stamped %d", id, me.ver, me.stamp), n, holds)
		case absent:
			c.acquire(&n, r)
			step(say("R%d Get: lease, stamp %d", id, me.stamp), n, holds)
		}
	case tagHasRecord:
		c.stepTag(s, r, step)
	case tagUnknown:
		me.clock = c.read(&n)
		me.stage = tagHasClock
		step(say("R%d reads the clock: %d", id, me.clock), n, holds)
	case tagHasClock:
		if c.without.tagMarker {
			n.tag = max(s.tag, me.clock)
		} else if s.tag == me.nonce { // still the marker seen before the clock was read
			n.tag = me.clock
		}
		me.stage = tagHasRecord
		step(say("R%d completes the tag: %d", id, n.tag), n, holds)
	case tagInvalid:
		switch {
		case s.record.kind == value && s.record.id != me.id:
			n.take(r)
			step(say("R%d: a newer record v%d", id, me.ver), n, holds)
		case s.record.kind != lease:
			c.acquire(&n, r)
			step(say("R%d: lease for the invalid record, stamp %d", id, me.stamp), n, holds)
		}
	case tagHasLease:
		me.ver = s.db
		me.stage = tagHasLoaded
		step(say("R%d loads v%d", id, s.db), n, holds)
	case tagHasLoaded:
		c.stepTagFill(s, r, step)
	}
}

// take makes r look at the value in the record.
func (s *tagState) take(r int) {
	me := &s.reader[r]
	me.stage, me.ver, me.stamp, me.id = tagHasRecord, s.record.ver, s.stamp, s.record.id
}

// acquire gives r the lease. The stamp of an invalid record stays until the fill.
func (c *tagRules) acquire(s *tagState, r int) {
	me := &s.reader[r]
	me.token = s.newID()
	me.stage = tagHasLease
	s.record = record{kind: lease, id: me.token}
	me.stamp = c.before(s, r)
}

// stepTag: r has a record and reads its tag. A tag no newer than the stamp says
// that the value was loaded after the tag was last invalidated. A missing tag says
// nothing: it is marked, and completed from a reading taken after the marking.
func (c *tagRules) stepTag(s *tagState, r int, step emit[tagState]) {
	n, id, me := *s, uint8(r), &s.reader[r]
	x := &n.reader[r]
	switch {
	case c.without.clock && s.tag == me.stamp, !c.without.clock && c.current(s.tag, me.stamp):
		broken := holds
		if me.ver < me.floor {
			broken = breaks(G5, say("v%d served after InvalidateTags for v%d had returned", me.ver, me.floor))
		}
		n.reader[r] = tagReader{}
		step(say("R%d returns v%d (tag %d <= stamp %d)", id, me.ver, s.tag, me.stamp), n, broken)
	case c.without.clock:
		x.stage = tagInvalid
		step(say("R%d: tag counter differs", id), n, holds)
	case s.tag == 0 && c.without.freshClock:
		n.tag = max(n.copy[r], 1)
		step(say("R%d: tag missing, made from the local clock copy: %d", id, n.tag), n, holds)
	case s.tag == 0:
		if !c.without.tagMarker {
			x.nonce = s.newNonce()
			n.tag = x.nonce
		}
		x.stage = tagUnknown
		step(say("R%d: tag missing, marked incomplete", id), n, holds)
	case s.tag >= markerTag:
		x.stage, x.nonce = tagUnknown, s.tag
		step(say("R%d: tag incomplete", id), n, holds)
	default:
		x.stage = tagInvalid
		step(say("R%d: tag %d > stamp %d: invalid", id, s.tag, me.stamp), n, holds)
	}
}

// current reports whether the tag says that what was stamped so is valid.
func (c *tagRules) current(tag, stamp uint8) bool {
	if tag == 0 {
		return c.without.unknown
	}
	return tag < markerTag && tag <= stamp
}

func (s *tagState) newNonce() uint8 {
	last := uint8(markerTag)
	for r := range s.reader {
		last = max(last, s.reader[r].nonce+1)
	}
	return last
}

// stepTagFill: the Get returns what it has loaded, whether the fill was accepted
// or not.
func (c *tagRules) stepTagFill(s *tagState, r int, step emit[tagState]) {
	n, me := *s, &s.reader[r]
	if s.record.kind == lease && s.record.id == me.token {
		n.record, n.stamp = record{value, s.newID(), me.ver}, me.stamp
		if c.without.earlyStamp {
			n.stamp = c.read(&n)
		}
	}
	broken := holds
	if me.ver < me.floor {
		broken = breaks(G5, say("loaded v%d after InvalidateTags for v%d had returned", me.ver, me.floor))
	}
	n.reader[r] = tagReader{}
	step(say("R%d fills and returns v%d", uint8(r), me.ver), n, broken)
}

// canon makes states with the same future one state: ids and nonces are renamed,
// and of the readings of the clock only the order is kept.
func (c *tagRules) canon(s *tagState) {
	var ids, nonces names
	for r := range s.reader {
		s.reader[r].forget()
	}
	ids.rename(&s.record.id)
	for r := range s.reader {
		ids.rename(&s.reader[r].token)
		ids.rename(&s.reader[r].id)
	}
	if !c.without.clockSeed && !c.without.clock {
		s.rank()
	}
	for _, nonce := range []*uint8{&s.tag, &s.reader[0].nonce, &s.reader[1].nonce} {
		if *nonce >= markerTag {
			*nonce -= markerTag - 1
			nonces.rename(nonce)
			*nonce += markerTag - 1
		}
	}
}

// rank replaces the readings of the clock by 1, 2, 3 in their order.
func (s *tagState) rank() {
	readings := [...]*uint8{&s.clock, &s.highest, &s.tag, &s.stamp, &s.reading, &s.copy[0], &s.copy[1],
		&s.reader[0].stamp, &s.reader[1].stamp, &s.reader[0].clock, &s.reader[1].clock}
	var used [markerTag]bool
	for _, r := range readings {
		if *r < markerTag {
			used[*r] = true
		}
	}
	var rank [markerTag]uint8
	last := uint8(0)
	for i := 1; i < markerTag; i++ {
		if used[i] {
			last++
			rank[i] = last
		}
	}
	for _, r := range readings {
		if *r < markerTag {
			*r = rank[*r]
		}
	}
}

// forget drops what a reader does not need where it is.
func (r *tagReader) forget() {
	switch r.stage {
	case tagIdle:
		*r = tagReader{}
	case tagHasRecord:
		r.nonce, r.clock, r.token = 0, 0, 0
	case tagUnknown:
		r.clock, r.token = 0, 0
	case tagHasClock:
		r.token = 0
	case tagInvalid:
		*r = tagReader{stage: tagInvalid, id: r.id, floor: r.floor}
	case tagHasLease:
		r.ver, r.id, r.nonce, r.clock = 0, 0, 0, 0
	case tagHasLoaded:
		r.id, r.nonce, r.clock = 0, 0, 0
	}
}

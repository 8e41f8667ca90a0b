package model

// stepWriter: commit, then Delete. A Delete in process 0 also cleans up there,
// before the command is sent and after it was answered.
func (c *coreRules) stepWriter(s *coreState, step emit[coreState]) {
	n := *s
	switch s.writer {
	case writerIdle:
		if s.db < c.writes {
			n.db++
			n.writer = committed
			step(say("W commits v%d", n.db), n, holds)
		}
	case committed:
		n.writer = deleting
		c.cleanUp(&n)
		step(say("W sends Delete"), n, holds)
	case deleting:
		n.writer = deleted
		if c.runDelete(&n, c.own(s)) {
			step(say("Redis runs Delete"), n, holds)
		}
		c.stepTimeout(s, step)
	case deleted:
		n.writer = writerIdle
		n.returned = n.db
		n.age[n.returned] = 0
		if !c.without.afterDelete {
			c.cleanUp(&n)
		}
		step(say("Delete of v%d returns", n.returned), n, holds)
	}
	if s.orphan {
		n = *s
		n.orphan = false
		if c.runDelete(&n, c.ownWriter) {
			step(say("Redis runs the timed-out Delete"), n, holds)
		}
	}
}

// stepTimeout: the caller of Delete gets an error and the retry queue sends it again;
// the one that timed out may run later, at any time.
func (c *coreRules) stepTimeout(s *coreState, step emit[coreState]) {
	if s.timeouts == 0 || c.foreignSecond && !c.own(s) {
		return
	}
	n := *s
	n.timeouts.spend()
	n.orphan = true
	c.cleanUp(&n)
	step(say("Delete times out; the retry queue sends it again"), n, holds)
}

// own reports whether the write under way is one of process 0.
func (c *coreRules) own(s *coreState) bool {
	return c.ownWriter && !(c.foreignSecond && s.db > 1)
}

// cleanUp drops the copy of the writer's process and spoils what it is reading.
func (c *coreRules) cleanUp(s *coreState) {
	if c.own(s) {
		s.process[0].hasCopy = false
		c.spoil(s, 0, true)
	}
}

// runDelete is the script of Delete. It reports false, and does nothing, while
// there is no room for the pushes.
func (c *coreRules) runDelete(s *coreState, own bool) bool {
	if s.record.kind == absent {
		return true
	}
	if !s.room(1) {
		return false
	}
	s.record = record{}
	by := nobody
	if own && c.without.writeConn {
		by = 0
	}
	s.modified(by)
	return true
}

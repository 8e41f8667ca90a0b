package model

// The model without CLIENT TRACKING: one key, one process with a copy in L1, and a writer,
// in that process or elsewhere. Redis notifies nobody. A copy is served for a time that is
// counted from when its read was sent, and is then revalidated by its version, or read
// again. Announcements, which a process may publish, come late or never. Leases and fills
// are the core model's: here a Get that misses loads and fills in one step.

// untrackedRules says what is in the system of a run.
type untrackedRules struct {
	writes    uint8 // commits, each followed by a Delete
	losses    budget
	maxStale  uint8 // in ticks
	ownWriter bool  // the writer is a goroutine of the process
	announced bool  // a Delete of another process is announced, late or never

	without untrackedFaults
}

// untrackedFaults are the safeguards that a run leaves out.
type untrackedFaults struct {
	maxStale bool // a copy is served for as long as there is one
	sendTime bool // its time is counted from the reply of the read
	compare  bool // revalidation does not compare versions: there is a value, so the copy is right
	poison   bool // a change that the process makes, or learns of, does not spoil what is being read
	bound    bool // announcements are relied on: a copy is revalidated only after one
}

// A revisit is a Get that L1 cannot answer.
type revisit struct {
	at       progress
	has      bool  // it asks with the version of a copy
	copy     uint8 // that version
	ver      uint8 // of the answer
	age      uint8 // ticks since it was sent, maxStale at most
	floor    uint8
	poisoned bool
}

type untrackedState struct {
	db      uint8
	present bool // the record in Redis
	ver     uint8

	has  bool // a copy in L1
	copy uint8
	left uint8 // ticks that it may be served

	get revisit

	writer   writerPlace
	returned uint8
	age      [maxVersions]uint8
	owes     bool // an announcement is on its way

	losses budget
}

func (c *untrackedRules) explore() Result {
	return explore(untrackedState{losses: c.losses}, c.successors, maxStates)
}

// successors emits every state one step after s.
func (c *untrackedRules) successors(s *untrackedState, out emit[untrackedState]) {
	step := func(what label, after untrackedState, broken violation) {
		if !after.present {
			after.ver = 0
		}
		if !after.has {
			after.copy, after.left = 0, 0
		}
		out(what, after, broken)
	}
	c.stepWriter(s, step)
	c.stepTime(s, step)
	c.stepGet(s, step)
	c.stepAnswer(s, step)
	if s.owes {
		n := *s
		n.owes = false
		step(say("the announcement is lost"), n, holds)
		c.suspect(&n)
		step(say("the process handles the announcement"), n, holds)
	}
}

// stepWriter commits, then deletes the record.
func (c *untrackedRules) stepWriter(s *untrackedState, step emit[untrackedState]) {
	n := *s
	switch s.writer {
	case writerIdle:
		if s.db < c.writes {
			n.db++
			n.writer = committed
			step(say("W commits v%d", n.db), n, holds)
		}
	case committed:
		n.present, n.writer = false, deleted
		n.owes = s.owes || c.announced && !c.ownWriter
		step(say("Redis runs Delete"), n, holds)
	case deleted:
		n.writer, n.returned = writerIdle, s.db
		if c.ownWriter {
			c.suspect(&n)
		}
		step(say("Delete of v%d returns", n.returned), n, holds)
	}
}

// suspect drops the copy and spoils what is being read.
func (c *untrackedRules) suspect(s *untrackedState) {
	s.has = false
	if s.get.at != notSent {
		s.get.poisoned = !c.without.poison
	}
}

// stepTime: a tick passes, for all clocks at once.
func (c *untrackedRules) stepTime(s *untrackedState, step emit[untrackedState]) {
	n := *s
	for v := 1; v <= int(n.returned); v++ {
		n.age[v] = min(n.age[v]+1, c.maxStale)
	}
	n.left -= min(n.left, 1)
	if n.get.at != notSent {
		n.get.age = min(n.get.age+1, c.maxStale)
	}
	step(say("tick"), n, holds)
}

// stepGet: the copy answers while its time lasts. Else Redis is asked, with its version.
func (c *untrackedRules) stepGet(s *untrackedState, step emit[untrackedState]) {
	if s.has && (s.left > 0 || c.without.maxStale || c.without.bound) {
		step(say("Get: L1 hit v%d", s.copy), *s, c.check(s))
	} else if s.get.at == notSent {
		n := *s
		n.get = revisit{at: sent, has: s.has, copy: s.copy, floor: s.returned}
		what := say("Get: asks Redis")
		if s.has {
			what = say("Get: asks Redis whether v%d is the newest", s.copy)
		}
		step(what, n, holds)
	}
}

// check checks a Get that the copy answers.
func (c *untrackedRules) check(s *untrackedState) violation {
	newest := uint8(0) // with a Delete that returned maxStale or more ago
	for v := uint8(1); v <= s.returned; v++ {
		if s.age[v] >= c.maxStale {
			newest = v
		}
	}
	switch {
	case s.copy < newest:
		return breaks(G3, say("L1 served v%d though Delete of v%d had returned MaxStale or more before", s.copy, newest))
	case c.ownWriter && s.copy < s.returned:
		return breaks(G2, say("own process: v%d after its own Delete of v%d", s.copy, s.returned))
	}
	return holds
}

// stepAnswer: Redis answers the read, or its connection is lost; the process stores, or
// confirms, the copy.
func (c *untrackedRules) stepAnswer(s *untrackedState, step emit[untrackedState]) {
	n := *s
	if s.get.at != notSent && s.losses > 0 {
		n.losses.spend()
		n.get = revisit{}
		step(say("the connection is lost: the Get asks the database"), n, holds)
		n = *s
	}
	switch s.get.at {
	case sent:
		if !s.present {
			n.present, n.ver = true, s.db
		}
		n.get.at, n.get.ver = answered, n.ver
		same := s.get.has && (s.get.copy == n.ver || c.without.compare)
		if same {
			n.get.ver = s.get.copy
		}
		step(say(choose(same, "Redis answers: v%d is unchanged", "Redis answers v%d"), n.get.ver), n, holds)
	case answered:
		broken := holds
		if s.get.ver < s.get.floor {
			broken = breaks(G1, say("a strict Get returned v%d, but the Delete of v%d had returned before it began", s.get.ver, s.get.floor))
		}
		if !s.get.poisoned {
			n.has, n.copy, n.left = true, s.get.ver, c.maxStale-s.get.age
			if c.without.sendTime {
				n.left = c.maxStale
			}
		}
		n.get = revisit{}
		step(say("the Get returns v%d; L1 may serve it for %d ticks", s.get.ver, n.left), n, broken)
	}
}

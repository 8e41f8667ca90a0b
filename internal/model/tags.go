package model

// The tag model: one key with a value that carries one tag, which is known only after
// the load; two readers, in two processes; a writer that commits and then
// invalidates the tag, never the key. The logical clock and the tag are keys of
// Redis as well, and can be evicted. All Gets are strict ones: the tag is read
// after the record.

// A tag at or above markerTag is a marker with a nonce: its reading is not known
// and somebody is to complete it.
const markerTag = firstFixedName

// tagRules says what is in the system of a run.
type tagRules struct {
	writes         uint8  // commits, each followed by an InvalidateTags
	evictions      budget // of the tag
	clockEvictions budget

	without tagFaults
}

// tagFaults are the safeguards that a run leaves out.
type tagFaults struct {
	earlyStamp bool // an entry is stamped after its load
	unknown    bool // a missing tag counts as never invalidated
	freshClock bool // a missing tag is made from the local copy of the clock
	clock      bool // a tag is a counter of its own that begins at 1
	clockSeed  bool // a lost clock begins at 1
	tagMarker  bool // a missing tag is made without the marker
}

// tagStage is how far a reader is.
type tagStage uint8

const (
	tagIdle      tagStage = iota
	tagHasRecord          // and reads the tag
	tagUnknown            // the tag is incomplete
	tagHasClock           // read to complete it
	tagInvalid            // the record is
	tagHasLease
	tagHasLoaded
)

type tagReader struct {
	stage tagStage
	ver   uint8
	stamp uint8 // the clock before the load of the value
	id    uint8 // of the record
	token uint8 // of the lease
	nonce uint8
	clock uint8 // read to complete the tag
	floor uint8 // the newest version with an InvalidateTags that had returned when the Get began
}

// tagWriterStage is how far the writer is.
type tagWriterStage uint8

const (
	tagWriterIdle tagWriterStage = iota
	tagCommitted
	tagTicked // the clock; the tag comes next
	tagRaised
)

type tagState struct {
	db       uint8 // the newest version in the database
	returned uint8 // the newest with an InvalidateTags that has returned

	writer  tagWriterStage
	reading uint8 // the writer's

	clock   uint8 // 0: missing
	highest uint8 // the largest reading ever given; the time of the server is above it
	tag     uint8 // 0: missing
	record  record
	stamp   uint8    // of the record
	copy    [2]uint8 // the clock as the processes know it; 0: not yet
	reader  [2]tagReader

	evictions, clockEvictions budget
}

func (c *tagRules) initial() tagState {
	return tagState{clock: 1, highest: 1, evictions: c.evictions, clockEvictions: c.clockEvictions}
}

func (c *tagRules) explore() Result { return explore(c.initial(), c.successors, maxStates) }

// successors emits every state one step after s.
func (c *tagRules) successors(s *tagState, out emit[tagState]) {
	step := func(what label, after tagState, broken violation) {
		c.canon(&after)
		out(what, after, broken)
	}
	c.stepWriter(s, step)
	c.stepRedis(s, step)
	for r := range s.reader {
		if s.copy[r] != s.clock && s.clock != 0 && !c.without.clock {
			n := *s
			n.copy[r] = s.clock
			step(say("P%d refreshes its clock copy: %d", uint8(r), s.clock), n, holds)
		}
		c.stepReader(s, r, step)
	}
}

// tick advances the clock and returns its reading. A missing clock is made from
// the time of the server.
func (c *tagRules) tick(s *tagState) uint8 {
	switch {
	case s.clock != 0:
		s.clock++
	case c.without.clockSeed:
		s.clock = 1
	default:
		s.clock = s.highest + 1
	}
	s.highest = max(s.highest, s.clock)
	return s.clock
}

// read returns the reading of the clock, which it makes if it is missing.
func (c *tagRules) read(s *tagState) uint8 {
	if s.clock == 0 {
		c.tick(s)
	}
	return s.clock
}

// before returns what a value is stamped with that reader r is about to load: the
// clock as its process knows it. An old reading can only cost a reload.
func (c *tagRules) before(s *tagState, r int) uint8 {
	if c.without.clock {
		return s.tag
	}
	if s.copy[r] == 0 {
		s.copy[r] = c.read(s)
	}
	return s.copy[r]
}

// newID returns an id that is not in use.
func (s *tagState) newID() uint8 {
	last := s.record.id
	for r := range s.reader {
		last = max(last, s.reader[r].token, s.reader[r].id)
	}
	return last + 1
}

// stepWriter: commit, then InvalidateTags, which reads a new time from the clock
// and raises the tag to it.
func (c *tagRules) stepWriter(s *tagState, step emit[tagState]) {
	n := *s
	switch s.writer {
	case tagWriterIdle:
		if s.db < c.writes {
			n.db++
			n.writer = tagCommitted
			step(say("W commits v%d", n.db), n, holds)
		}
	case tagCommitted:
		if c.without.clock {
			n.tag++
			n.writer = tagRaised
			step(say("InvalidateTags: INCR"), n, holds)
			return
		}
		n.reading = c.tick(&n)
		n.writer = tagTicked
		step(say("InvalidateTags: tick %d", n.reading), n, holds)
	case tagTicked:
		if s.tag >= markerTag || s.reading > s.tag {
			n.tag = s.reading
		}
		n.writer = tagRaised
		step(say("InvalidateTags: tag = %d", n.tag), n, holds)
	case tagRaised:
		n.returned, n.writer, n.reading = s.db, tagWriterIdle, 0
		step(say("InvalidateTags for v%d returns", n.returned), n, holds)
	}
}

// stepRedis: tag, clock and record are evicted; the record expires.
func (c *tagRules) stepRedis(s *tagState, step emit[tagState]) {
	if s.tag != 0 && s.evictions > 0 {
		n := *s
		n.evictions.spend()
		n.tag = 0
		step(say("the tag key is evicted"), n, holds)
	}
	if s.clock != 0 && s.clockEvictions > 0 {
		n := *s
		n.clockEvictions.spend()
		n.clock = 0
		step(say("the clock key is lost"), n, holds)
	}
	if s.record.kind != absent {
		n := *s
		n.record, n.stamp = record{}, 0
		step(say("the record goes"), n, holds)
	}
}

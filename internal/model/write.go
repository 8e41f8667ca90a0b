package model

// The write model: what is in Redis, without copies, so every Get is strict. Two
// writers use a write intent (BeginWrite, commit, Done or CommitSet) or the plain way
// (commit, Delete); two readers load, fill and refresh; a writer with a write intent may
// crash anywhere, with its commit landing later or never; leases and holds run
// out. In some runs the loads read a replica of the database, which lags.
//
// The assumption about time: a hold runs out only when the transactions begun
// under it have ended, and when the replica has what was committed when a Delete
// laid it. It is for the caller of BeginWrite to choose it long enough.

const writers = 2

// writeRules says what is in the system of a run.
type writeRules struct {
	intent    [writers]bool // else the plain way
	doneSet   [writers]bool // the write intent ends with CommitSet
	replica   bool          // loads read it, and a Delete lays a hold
	crashes   budget
	evictions budget

	without writeFaults
}

// writeFaults are the safeguards that a run leaves out.
type writeFaults struct {
	cap         bool // what is filled under a hold may outlive it
	refusal     bool // a lease taken under a hold may fill after the hold has run out
	soleCheck   bool // CommitSet writes although the write intent was shared
	deleteMark  bool // a Delete does not make a write intent shared
	beginDelete bool // BeginWrite leaves the value
	otherHold   bool // Done ends the hold of the other writer too
	deleteKeep  bool // a Delete drops the hold
	lagHold     bool // a Delete lays no hold though the replica lags
	leaseKeep   bool // a lease drops the hold
}

// stage is how far a writer is.
type stage uint8

const (
	notBegun stage = iota
	begun
	hasCommitted
	executed // its last command has run in Redis
	finished
	commitUnknown // crashed in the transaction, which may still commit
	crashed       // after its commit
	aborted
)

type writerState struct {
	stage stage
	ver   uint8
}

// loadStage is how far a reader is with its load.
type loadStage uint8

const (
	notLoading loadStage = iota
	hasLease
	hasLoaded
	hasSeen // a value, which it refreshes
	hasRefreshed
)

type loader struct {
	stage loadStage
	id    uint8 // of its lease, or of the value that it refreshes
	ver   uint8 // loaded
	floor uint8 // the newest version promised when its Get began
}

// A hold is the part of a record that caps the life of what is filled while it
// is on.
type hold struct {
	on     bool
	owner  uint8         // the only writer that has begun under it, from 1; 0: shared
	covers [writers]bool // the writers with transactions that it must outlive
	need   uint8         // the version that the replica must have
}

type writeState struct {
	db, replica uint8 // the newest version in the database and in its replica
	record      record
	capped      bool // the value dies with the hold
	hold        hold
	stain       bool // the record was made under a hold that has run out
	writer      [writers]writerState
	reader      [2]loader
	promised    uint8 // the newest version with a write that has returned
	evictions   budget
	crashes     budget
}

func (c *writeRules) initial() writeState {
	return writeState{crashes: c.crashes, evictions: c.evictions}
}

func (c *writeRules) explore() Result { return explore(c.initial(), c.successors, maxStates) }

// successors emits every state one step after s.
func (c *writeRules) successors(s *writeState, out emit[writeState]) {
	step := func(what label, after writeState, broken violation) {
		after.canon()
		if broken == holds {
			broken = c.check(&after)
		}
		out(what, after, broken)
	}
	for w := range s.writer {
		c.stepWriter(s, w, step)
	}
	c.stepTime(s, step)
	for r := range s.reader {
		c.stepReader(s, r, step)
	}
}

// check: when all writers have ended and no hold is on, what Redis has is current.
func (c *writeRules) check(s *writeState) violation {
	for w := range s.writer {
		switch s.writer[w].stage {
		case finished, crashed, aborted:
		default:
			return holds
		}
	}
	if s.hold.on || c.replica && s.replica != s.db || s.record.kind != value || s.record.ver == s.db {
		return holds
	}
	return breaks(G6, say("all writers have ended and no hold is on, but L2 keeps v%d; the database has v%d", s.record.ver, s.db))
}

// canon makes states with the same future one state.
func (s *writeState) canon() {
	for r := range s.reader {
		s.reader[r].forget()
	}
	if s.record.kind == absent {
		s.clear()
		s.stain = s.stain && s.hold.on
	}
	if !s.hold.on {
		s.hold = hold{}
	}
	var n names
	n.rename(&s.record.id)
	for r := range s.reader {
		n.rename(&s.reader[r].id)
	}
}

func (l *loader) forget() {
	switch l.stage {
	case notLoading:
		*l = loader{}
	case hasLease:
		l.ver = 0
	}
}

// clear removes value and lease. Whether a hold stays is for the caller.
func (s *writeState) clear() { s.record, s.capped = record{}, false }

// newID returns an id that is not in use.
func (s *writeState) newID() uint8 { return newID(s.record.id, s.reader[:]) }

func newID(last uint8, readers []loader) uint8 {
	for r := range readers {
		last = max(last, readers[r].id)
	}
	return last + 1
}

// stepTime: holds and leases run out, the replica catches up, a value is evicted.
func (c *writeRules) stepTime(s *writeState, step emit[writeState]) {
	if s.hold.on && s.mayRunOut() && !(c.replica && s.replica < s.hold.need) {
		n := *s
		n.hold.on = false
		if n.record.kind == value && n.capped {
			n.clear()
		}
		n.stain = n.record.kind != absent
		step(say("the hold runs out"), n, holds)
	}
	if c.replica && s.replica < s.db {
		n := *s
		n.replica++
		step(say("the replica applies v%d", n.replica), n, holds)
	}
	n := *s
	n.clear()
	if s.record.kind == lease {
		step(say("the lease expires"), n, holds)
	}
	// Holds are assumed not to be evicted.
	if s.record.kind == value && s.evictions > 0 && !s.hold.on {
		n.evictions.spend()
		step(say("the value is evicted"), n, holds)
	}
}

// mayRunOut reports whether the transactions that the hold covers have ended.
func (s *writeState) mayRunOut() bool {
	for w := range s.writer {
		switch s.writer[w].stage {
		case notBegun, begun, commitUnknown:
			if s.hold.covers[w] {
				return false
			}
		}
	}
	return true
}

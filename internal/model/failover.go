package model

// The failover model: what is in Redis, without copies. A replica of Redis has an
// earlier state of the record, and a failover makes that the record: Deletes that
// were acknowledged are lost. The writer keeps a recent-write log and sends them
// again when it notices that the server is another one. From the failover until
// then nothing is promised.

// failoverRules says what is in the system of a run.
type failoverRules struct {
	writes    uint8 // commits, each followed by a Delete
	failovers budget

	without failoverFaults
}

// failoverFaults are the safeguards that a run leaves out.
type failoverFaults struct {
	replay bool // the recent-write log is not replayed
}

// replay is how far the writer is after a failover.
type replay uint8

const (
	replayNone replay = iota
	replayDue         // it has not noticed
	replaying
)

type failoverState struct {
	db        uint8 // the newest version in the database
	returned  uint8 // the newest version with a Delete that has returned
	promised  uint8 // the same, while it is a promise
	writer    writerPlace
	replay    replay
	record    record
	replica   record
	reader    [2]loader
	failovers budget
}

func (c *failoverRules) initial() failoverState { return failoverState{failovers: c.failovers} }

func (c *failoverRules) explore() Result { return explore(c.initial(), c.successors, maxStates) }

// successors emits every state one step after s.
func (c *failoverRules) successors(s *failoverState, out emit[failoverState]) {
	step := func(what label, after failoverState, broken violation) {
		after.canon()
		out(what, after, broken)
	}
	c.stepWriter(s, step)
	c.stepServers(s, step)
	c.stepReplay(s, step)
	if s.record.kind == lease {
		n := *s
		n.record = record{}
		step(say("the lease expires"), n, holds)
	}
	for r := range s.reader {
		s.stepReader(r, step)
	}
}

// canon makes states with the same future one state.
func (s *failoverState) canon() {
	var n names
	n.rename(&s.record.id)
	n.rename(&s.replica.id)
	for r := range s.reader {
		n.rename(&s.reader[r].id)
	}
}

// stepWriter: commit, then Delete.
func (c *failoverRules) stepWriter(s *failoverState, step emit[failoverState]) {
	n := *s
	switch s.writer {
	case writerIdle:
		if s.db < c.writes {
			n.db++
			n.writer = committed
			step(say("W commits v%d", n.db), n, holds)
		}
	case committed:
		n.writer = deleted
		n.record = record{}
		step(say("Redis runs Delete"), n, holds)
	case deleted:
		n.writer = writerIdle
		n.returned = n.db
		if s.replay == replayNone {
			n.promised = n.returned
		}
		step(say("Delete of v%d returns", n.returned), n, holds)
	}
}

// stepServers: the replica catches up, or becomes the primary without that.
func (c *failoverRules) stepServers(s *failoverState, step emit[failoverState]) {
	if s.replica != s.record {
		n := *s
		n.replica = s.record
		step(say("the replica catches up"), n, holds)
	}
	if s.failovers > 0 {
		n := *s
		n.failovers.spend()
		n.record = s.replica
		n.promised, n.replay = 0, replayDue
		if c.without.replay {
			n.promised, n.replay = s.returned, replayNone
		}
		step(say("FAILOVER: the replica is promoted"), n, holds)
	}
}

// stepReplay: the writer notices the failover, and replays its recent-write log.
func (c *failoverRules) stepReplay(s *failoverState, step emit[failoverState]) {
	n := *s
	switch s.replay {
	case replayDue:
		n.replay = replaying
		step(say("W notices the new incarnation"), n, holds)
	case replaying:
		n.record = record{}
		n.promised, n.replay = s.returned, replayNone
		step(say("the Deletes of the recent-write log ran again: guarantees hold again"), n, holds)
	}
}

// stepReader: the next step of reader r.
func (s *failoverState) stepReader(r int, step emit[failoverState]) {
	n, me, id := *s, &s.reader[r], uint8(r)
	switch me.stage {
	case notLoading:
		s.stepGet(r, step)
	case hasLease, hasSeen:
		n.reader[r].ver = s.db
		n.reader[r].stage++
		step(say("R%d loads v%d", id, s.db), n, holds)
	case hasLoaded, hasRefreshed:
		want := lease
		if me.stage == hasRefreshed {
			want = value
		}
		accepted := s.record.kind == want && s.record.id == me.id
		if accepted {
			n.record = record{value, s.newID(), me.ver}
		}
		n.reader[r] = loader{}
		step(say(choose(accepted, "R%d fills v%d: accepted", "R%d fills v%d: refused"), id, me.ver), n, holds)
	}
}

// stepGet: a Get returns the value, and may refresh it, or takes the lease.
func (s *failoverState) stepGet(r int, step emit[failoverState]) {
	n, id := *s, uint8(r)
	switch s.record.kind {
	case value:
		broken := holds
		if s.record.ver < s.promised {
			broken = breaks(G7, say("L2 hit v%d, v%d was promised and no replay is due", s.record.ver, s.promised))
		}
		step(say("R%d hit v%d", id, s.record.ver), n, broken)
		n.reader[r] = loader{stage: hasSeen, id: s.record.id}
		step(say("R%d begins a refresh", id), n, holds)
	case absent:
		n.reader[r].stage, n.reader[r].id = hasLease, s.newID()
		n.record = record{kind: lease, id: n.reader[r].id}
		step(say("R%d gets the lease", id), n, holds)
	}
}

func (s *failoverState) newID() uint8 { return newID(max(s.record.id, s.replica.id), s.reader[:]) }

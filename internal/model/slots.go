package model

// The slots model: one key of a cluster, with a slot that moves from node to node. A process
// with a copy in L1 has a connection and a heartbeat to each node that it knows of. When
// the slot leaves a node, the node forgets which clients tracked its keys; the push comes late, or
// never. A heartbeat is answered with the slot map and its epoch as the node knows it:
// that is the fence. Leases and fills are the core model's: here a Get that misses loads
// and fills in one step.

const (
	nodes       = 2
	nodeQueue   = 3 // messages that a connection holds
	maxVersions = 3
)

// slotRules says what is in the system of a run.
type slotRules struct {
	writes          uint8 // commits, each followed by a Delete at the owner of the slot
	moves           budget
	losses          budget // of connections
	maxDisconnected uint8  // H, in ticks
	joins           bool   // the second node is not known to the process until a slot has moved

	without slotFaults
}

// slotFaults are the safeguards that a run leaves out.
type slotFaults struct {
	slotMap bool // the answer of a heartbeat does not report that a slot has moved
	epoch   bool // it reports the owner of the slot, but not the epoch
	joined  bool // a node that has joined gets no heartbeat
	poison  bool // a change of the slot map does not spoil what is being read
}

// A nodeMessage is what comes out of the connection to a node.
type nodeMessage struct {
	kind  messageKind
	ver   uint8 // of an answer
	owner uint8 // of a heartbeat's answer: the slot map
	epoch uint8
}

// A link is the connection of the process to a node. Tracked is the node's view.
type link struct {
	tracked      bool
	owes         bool // the slot has left; its push is still to come
	queue        [nodeQueue]nodeMessage
	up           bool
	unaware      bool // the connection is gone and the process does not know
	asked        bool // it gets heartbeats
	left         uint8
	heartbeat    progress
	heartbeatAge uint8
}

type slotState struct {
	db      uint8
	owner   uint8 // of the slot
	epoch   uint8 // of the slot map
	present bool  // the record, at the owner
	ver     uint8

	link  [nodes]link
	known struct{ owner, epoch uint8 } // the slot map as the process knows it
	has   bool                         // a copy in L1
	copy  uint8

	reading  bool // a Get is under way, and Redis has not answered it or the answer is in a queue
	answered bool
	poisoned bool
	floor    uint8

	writer   writerPlace
	returned uint8
	age      [maxVersions]uint8

	moves, losses budget
}

func (c *slotRules) initial() slotState {
	s := slotState{moves: c.moves, losses: c.losses}
	for i := range s.link {
		s.link[i].up = true
		s.link[i].asked = i == 0 || !c.joins
		if s.link[i].asked {
			s.link[i].left = c.maxDisconnected
		}
	}
	return s
}

func (c *slotRules) explore() Result { return explore(c.initial(), c.successors, maxStates) }

// successors emits every state one step after s.
func (c *slotRules) successors(s *slotState, out emit[slotState]) {
	step := func(what label, after slotState, broken violation) {
		c.canon(&after)
		out(what, after, broken)
	}
	c.stepWriter(s, step)
	c.stepMove(s, step)
	c.stepTime(s, step)
	c.stepGet(s, step)
	for i := range s.link {
		c.stepLink(s, i, step)
		c.stepHeartbeat(s, i, step)
		c.stepReceive(s, i, step)
	}
}

// canon makes states with the same future one state.
func (c *slotRules) canon(s *slotState) {
	if !s.present {
		s.ver = 0
	}
	if !s.has {
		s.copy = 0
	}
	if !s.reading {
		s.answered, s.poisoned, s.floor = false, false, 0
	}
	for i := range s.link {
		if s.link[i].heartbeat == notSent {
			s.link[i].heartbeatAge = 0
		}
	}
}

// stepWriter: another process commits, then deletes the record at the owner of the slot.
func (c *slotRules) stepWriter(s *slotState, step emit[slotState]) {
	n := *s
	switch s.writer {
	case writerIdle:
		if s.db < c.writes {
			n.db++
			n.writer = committed
			step(say("W commits v%d", n.db), n, holds)
		}
	case committed:
		if s.present && !n.push(int(s.owner)) {
			return
		}
		n.present, n.writer = false, deleted
		step(say("node %d runs Delete", s.owner), n, holds)
	case deleted:
		n.writer, n.returned = writerIdle, s.db
		step(say("Delete of v%d returns", n.returned), n, holds)
	}
}

// push has node i push an invalidation if the process tracks the key there. It reports
// false while there is no room for it.
func (s *slotState) push(i int) bool {
	l := &s.link[i]
	if l.tracked && l.up && !l.send(nodeMessage{kind: push}) {
		return false
	}
	l.tracked = false
	return true
}

func (l *link) send(m nodeMessage) bool {
	for i := range l.queue {
		if l.queue[i].kind == nothing {
			l.queue[i] = m
			return true
		}
	}
	return false
}

// stepMove: the slot moves to the other node, with its record or without. The old owner
// knows of it at once, forgets which clients tracked it, and may push that later.
func (c *slotRules) stepMove(s *slotState, step emit[slotState]) {
	if s.moves == 0 || s.writer == committed { // a Delete goes to the owner
		return
	}
	from := int(s.owner)
	n := *s
	n.moves.spend()
	n.owner, n.epoch = 1-s.owner, s.epoch+1
	n.link[from].owes = s.link[from].tracked && s.link[from].up
	n.link[from].tracked = false
	step(say("the slot moves from node %d to node %d with its keys", s.owner, n.owner), n, holds)
	if n.present {
		n.present = false
		step(say("node %d takes the slot of node %d over, without its keys", n.owner, s.owner), n, holds)
	}
}

// stepTime: a tick passes, for all clocks at once.
func (c *slotRules) stepTime(s *slotState, step emit[slotState]) {
	n := *s
	for v := 1; v <= int(n.returned); v++ {
		n.age[v] = min(n.age[v]+1, c.maxDisconnected)
	}
	for i := range n.link {
		l := &n.link[i]
		l.left -= min(l.left, 1)
		if l.heartbeat != notSent {
			l.heartbeatAge = min(l.heartbeatAge+1, c.maxDisconnected)
		}
	}
	step(say("tick"), n, holds)
}

// stepGet: the copy answers, or the owner of the slot does, which tracks the key then.
func (c *slotRules) stepGet(s *slotState, step emit[slotState]) {
	n := *s
	switch {
	case s.reading && !s.answered:
		l := &n.link[s.owner]
		if !l.up {
			return
		}
		if !s.present {
			n.present, n.ver = true, s.db
		}
		if l.send(nodeMessage{kind: answer, ver: n.ver}) {
			n.answered, l.tracked = true, true
			step(say("node %d answers the Get: v%d", s.owner, n.ver), n, holds)
		}
	case s.reading:
	case s.trusted():
		broken := holds
		if floor := c.returnedBeforeH(s); s.copy < floor {
			broken = breaks(G3, say("L1 served v%d though Delete of v%d had returned H or more before", s.copy, floor))
		}
		step(say("Get: L1 hit v%d", s.copy), n, broken)
	default:
		n.reading, n.floor = true, s.returned
		step(say("Get: asks Redis"), n, holds)
	}
}

// trusted reports whether L1 may serve its copy: every node that gets heartbeats has
// answered one that was sent less than H ago.
func (s *slotState) trusted() bool {
	for i := range s.link {
		if s.link[i].asked && s.link[i].left == 0 {
			return false
		}
	}
	return s.has
}

// returnedBeforeH returns the newest version with a Delete that returned H or more ago.
func (c *slotRules) returnedBeforeH(s *slotState) (newest uint8) {
	for v := uint8(1); v <= s.returned; v++ {
		if s.age[v] >= c.maxDisconnected {
			newest = v
		}
	}
	return newest
}

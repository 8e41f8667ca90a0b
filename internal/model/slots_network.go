package model

// stepLink: an old owner pushes late that the keys are gone; a connection dies, which the
// process notices at any later time; the process dials again.
func (c *slotRules) stepLink(s *slotState, i int, step emit[slotState]) {
	node := uint8(i)
	if s.link[i].owes {
		n := *s
		n.link[i].owes = false
		if !n.link[i].up || n.link[i].send(nodeMessage{kind: push}) {
			step(say("node %d drops the keys of the slot, and pushes", node), n, holds)
		}
	}
	if s.link[i].up && s.losses > 0 {
		n := *s
		n.losses.spend()
		old := s.link[i]
		n.link[i] = link{unaware: true, asked: old.asked, left: old.left}
		step(say("the connection to node %d dies (the process does not know yet)", node), n, holds)
	}
	if s.link[i].unaware {
		n := *s
		n.link[i].unaware, n.link[i].left = false, 0
		n.suspect()
		if n.reading && !n.anyAnswer() {
			n.answered = false // it asks again
		}
		step(say("the process notices the loss of node %d: L1 suspect", node), n, holds)
	}
	if l := &s.link[i]; !l.up && !l.unaware {
		n := *s
		n.link[i].up = true
		step(say("the process has a new connection to node %d", node), n, holds)
	}
}

// suspect makes the copy unusable and spoils what is being read.
func (s *slotState) suspect() { s.has, s.poisoned = false, true }

// anyAnswer reports whether the answer of the Get is still on its way.
func (s *slotState) anyAnswer() bool {
	for i := range s.link {
		for _, m := range s.link[i].queue {
			if m.kind == answer {
				return true
			}
		}
	}
	return false
}

// stepHeartbeat: the process sends a heartbeat when none is under way, and the node answers
// with the slot map.
func (c *slotRules) stepHeartbeat(s *slotState, i int, step emit[slotState]) {
	n, l, node := *s, &s.link[i], uint8(i)
	switch {
	case !l.up || !l.asked:
	case l.heartbeat == notSent:
		n.link[i].heartbeat, n.link[i].heartbeatAge = sent, 0
		step(say("the process sends node %d a heartbeat", node), n, holds)
	case l.heartbeat == sent:
		if n.link[i].send(nodeMessage{kind: heartbeatReply, owner: s.owner, epoch: s.epoch}) {
			n.link[i].heartbeat = answered
			step(say("node %d answers the heartbeat: node %d serves the slot", node, s.owner), n, holds)
		}
	}
}

// stepReceive: the process takes the next message from its connection to node i.
func (c *slotRules) stepReceive(s *slotState, i int, step emit[slotState]) {
	m := s.link[i].queue[0]
	if m.kind == nothing {
		return
	}
	n, node := *s, uint8(i)
	l := &n.link[i]
	copy(l.queue[:], l.queue[1:])
	l.queue[nodeQueue-1] = nodeMessage{}
	switch m.kind {
	case push:
		n.suspect()
		step(say("the process handles the push of node %d", node), n, holds)
	case answer:
		broken := holds
		if m.ver < s.floor {
			broken = breaks(G1, say("a strict Get returned v%d, but the Delete of v%d had returned before it began", m.ver, s.floor))
		}
		if !s.poisoned {
			n.has, n.copy = true, m.ver
		}
		n.reading = false
		step(say("the Get returns v%d", m.ver), n, broken)
	case heartbeatReply:
		c.receiveHeartbeat(&n, i, m)
		step(say("the process reads node %d's answer: its lease runs %d more ticks", node, n.link[i].left), n, holds)
	}
}

// receiveHeartbeat extends the lease of L1 unless the slot map has changed. Then L1 is suspect,
// and all nodes of the new map have to answer before it serves again.
func (c *slotRules) receiveHeartbeat(s *slotState, i int, m nodeMessage) {
	l := &s.link[i]
	left := c.maxDisconnected - l.heartbeatAge
	l.heartbeat, l.heartbeatAge = notSent, 0
	changed := m.owner != s.known.owner || !c.without.epoch && m.epoch != s.known.epoch
	if changed && !c.without.slotMap {
		poisoned := s.poisoned
		s.suspect()
		s.poisoned = !c.without.poison || poisoned
		s.known.owner, s.known.epoch = m.owner, m.epoch
		if to := &s.link[m.owner]; !to.asked && !c.without.joined {
			to.asked, to.left = true, 0
		}
	}
	l.left = max(l.left, left)
}

package model

// stepTime: a tick passes, for all clocks at once.
func (c *coreRules) stepTime(s *coreState, step emit[coreState]) {
	if !c.timed() {
		return
	}
	n := *s
	for v := range n.age {
		if v > 0 && v <= int(n.returned) {
			n.age[v] = min(n.age[v]+1, c.maxDisconnected)
		}
	}
	for i := range n.process {
		p := &n.process[i]
		if p.leaseLeft > 0 {
			p.leaseLeft--
		}
		if p.heartbeat != notSent {
			p.heartbeatAge = min(p.heartbeatAge+1, c.maxDisconnected)
		}
	}
	step(say("tick"), n, holds)
}

// stepHeartbeat: process i sends one when none is under way, and Redis answers.
func (c *coreRules) stepHeartbeat(s *coreState, i int, step emit[coreState]) {
	p := uint8(i)
	switch now := &s.process[i]; {
	case !c.timed() || !now.up:
	case now.heartbeat == notSent && !c.without.heartbeat && c.hasMemory(i):
		n := *s
		n.process[i].heartbeat, n.process[i].heartbeatAge = sent, 0
		step(say("P%d sends a heartbeat", p), n, holds)
	case now.heartbeat == sent && now.free() > 0:
		n := *s
		n.process[i].send(message{kind: heartbeatReply})
		n.process[i].heartbeat = answered
		step(say("Redis answers P%d's heartbeat", p), n, holds)
	}
}

// stepConnection: the connection of process i dies, the process notices, or it
// dials a new one. It dials only after it has noticed.
func (c *coreRules) stepConnection(s *coreState, i int, step emit[coreState]) {
	now, p := &s.process[i], uint8(i)
	if now.up && s.losses > 0 {
		n := *s
		n.losses.spend()
		old := n.process[i]
		n.process[i] = process{unaware: true, hasCopy: old.hasCopy, copyVer: old.copyVer, leaseLeft: old.leaseLeft}
		step(say("P%d's connection dies at the server (P%d does not know yet)", p, p), n, holds)
	}
	if now.unaware {
		n := *s
		c.notice(&n, i)
		step(say("P%d notices the loss: L1 suspect, reads in flight poisoned", p), n, holds)
	}
	if !now.up && (c.without.dialFence || !now.unaware) {
		n := *s
		n.process[i].up = true
		if now.unaware { // the commands on the dead connection fail; the copy stays trusted
			n.process[i].unaware = false
			n.failCommands(i)
		}
		step(say("P%d has a new connection", p), n, holds)
	}
}

// notice is what process i does when it learns that its connection is gone: a new
// epoch begins, in which no older copy is served and no older reply is stored.
func (c *coreRules) notice(s *coreState, i int) {
	p := &s.process[i]
	p.unaware, p.hasCopy, p.leaseLeft = false, false, 0
	if !c.without.epoch {
		c.spoil(s, i, true)
	}
	s.failCommands(i)
}

// failCommands ends the Gets that wait for the lost connection of process i, and
// those that joined them: with an error, or with what the database has.
func (s *coreState) failCommands(i int) {
	for r := range s.reader {
		if processOf(r) != i {
			continue
		}
		switch s.reader[r].at {
		case sentGet, sentFill, waiting, sentRefresh:
			s.endJoiners(r)
			s.end(r)
		}
	}
}

// stepReceive: the goroutine of process i that reads its connection takes the
// next message from it.
func (c *coreRules) stepReceive(s *coreState, i int, step emit[coreState]) {
	if s.process[i].queue[0].kind == nothing {
		return
	}
	n := *s
	p := &n.process[i]
	m := p.queue[0]
	copy(p.queue[:], p.queue[1:])
	p.queue[queueLen-1] = message{}
	switch m.kind {
	case push:
		c.receivePush(&n, i)
		step(say("P%d handles the push", uint8(i)), n, holds)
	case heartbeatReply:
		left := c.maxDisconnected - p.heartbeatAge // it is counted from when the heartbeat was sent
		if c.without.heartbeatSendTime {
			left = c.maxDisconnected
		}
		p.heartbeat, p.heartbeatAge = notSent, 0
		p.leaseLeft = max(p.leaseLeft, left)
		step(say("P%d's L1 lease now runs %d more ticks", uint8(i), p.leaseLeft), n, holds)
	case answer:
		n.reader[m.reader].receive(m)
		step(say(receivedLabels[m.reply], uint8(i), m.reader), n, holds)
	}
}

var receivedLabels = [...]string{
	hit:        "P%d reads the reply for G%d (hit)",
	leaseYours: "P%d reads the reply for G%d (lease is yours)",
	leaseOther: "P%d reads the reply for G%d (other's lease)",
	filled:     "P%d reads the reply for G%d (filled)",
	refused:    "P%d reads the reply for G%d (refused)",
}

// receivePush drops the copy of process i, spoils what is being read, and wakes
// readers that wait for the lease of another.
func (c *coreRules) receivePush(s *coreState, i int) {
	s.process[i].hasCopy = false
	c.spoil(s, i, false)
	for r := range s.reader {
		if processOf(r) == i && s.reader[r].at == waiting {
			c.sendGet(s, r)
		}
	}
}

// receive hands a reply to the reader that has asked.
func (r *reader) receive(m message) {
	r.reply, r.id = m.reply, m.id
	switch r.at {
	case sentGet:
		r.at, r.ver = gotGet, m.ver
	case sentFill:
		r.at = gotFill
	case sentRefresh:
		r.at = gotRefresh
	}
}

// spoil poisons what the readers of process i are reading: it may be returned but
// not stored in L1. With close, their loads are not joined any more either.
func (c *coreRules) spoil(s *coreState, i int, closeLoads bool) {
	for n := range s.reader {
		r := &s.reader[n]
		if processOf(n) != i || r.at == idle {
			continue
		}
		r.poisoned = r.poisoned || !c.without.poison
		r.closed = r.closed || closeLoads
	}
}

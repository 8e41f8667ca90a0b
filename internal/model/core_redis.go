package model

// stepRedis: what Redis does by itself.
func (c *coreRules) stepRedis(s *coreState, step emit[coreState]) {
	if s.record.kind == absent || !s.room(1) {
		return
	}
	n := *s
	n.record = record{}
	n.modified(nobody)
	if s.record.kind == lease && s.expiries > 0 {
		n.expiries.spend()
		step(say("the lease expires in Redis"), n, holds)
	}
	if s.record.kind == value && s.evictions > 0 {
		n.evictions.spend()
		step(say("the value is evicted"), n, holds)
	}
}

// nobody is the writer of a change that was not made on a tracking connection.
const nobody = -1

// modified is what Redis does when a key changes: the connections that track it get a push
// and are forgotten. Under NOLOOP the connection that made the change is forgotten
// too, and gets no push.
func (s *coreState) modified(by int) {
	for i := range s.process {
		p := &s.process[i]
		if p.tracked && p.up && i != by {
			p.send(message{kind: push})
		}
		p.tracked = false
	}
}

// send puts m at the end of the queue. The caller has made sure of the room.
func (p *process) send(m message) {
	for i := range p.queue {
		if p.queue[i].kind == nothing {
			p.queue[i] = m
			return
		}
	}
}

// room reports whether every queue has room for n messages.
func (s *coreState) room(n int) bool {
	for p := range s.process {
		if s.process[p].free() < n {
			return false
		}
	}
	return true
}

func (p *process) free() int {
	free := 0
	for i := range p.queue {
		if p.queue[i].kind == nothing {
			free++
		}
	}
	return free
}

// canRun reports whether Redis can run the script that r has sent.
func (s *coreState) canRun(r int) bool {
	p := &s.process[processOf(r)]
	if !p.up || !s.room(2) {
		return false
	}
	for i := range p.queue {
		if p.queue[i].kind == answer && int(p.queue[i].reader) == r {
			return false // it has run
		}
	}
	return true
}

// runGet is the get script: it answers with the value or takes the lease. What a
// script reads is tracked, and a change of its own ends that: so it reads again.
func (c *coreRules) runGet(s *coreState, r int, step emit[coreState]) {
	if !s.canRun(r) {
		return
	}
	n, i, g := *s, processOf(r), uint8(r)
	p, m := &n.process[i], message{kind: answer, reader: g}
	p.tracked = true
	var what label
	switch s.record.kind {
	case value:
		m.reply, m.ver, m.id = hit, s.record.ver, s.record.id
		what = say("Redis runs get of G%d: hit v%d", g, m.ver)
	case lease:
		m.reply = leaseOther
		what = say("Redis runs get of G%d: other's lease", g)
	case absent:
		n.record = record{kind: lease, id: s.reader[r].token}
		n.modified(i)
		p.tracked = !c.without.leaseTracking
		m.reply = leaseYours
		what = say("Redis runs get of G%d: lease granted", g)
	}
	p.send(m)
	step(what, n, holds)
}

// runFill is the fill script, of a load or of a refresh.
func (c *coreRules) runFill(s *coreState, r int, step emit[coreState]) {
	if !s.canRun(r) {
		return
	}
	n, i, g, me := *s, processOf(r), uint8(r), &s.reader[r]
	p, m := &n.process[i], message{kind: answer, reader: g, reply: refused}
	accepted := s.record.kind == lease && s.record.id == me.token || c.without.leaseCheck
	if me.at == sentRefresh {
		accepted = s.record.kind == value && s.record.id == me.id || c.without.refreshCompare
	}
	if accepted {
		n.record = record{value, me.token, me.ver}
		n.modified(i)
		if !c.without.fillTracking {
			p.tracked = true
		}
		m.reply = filled
	}
	p.send(m)
	how := choose(accepted, "Redis runs fill of G%d (v%d): accepted", "Redis runs fill of G%d (v%d): refused")
	step(say(how, g, me.ver), n, holds)
}

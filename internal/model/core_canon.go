package model

// canon makes states with the same future one state: it drops what can no longer
// matter, and renames tokens and ids.
func (c *coreRules) canon(s *coreState) {
	for r := range s.reader {
		s.reader[r].forget()
		if !c.timed() {
			s.reader[r].floorH = 0
		}
	}
	for p := range s.process {
		if !s.process[p].hasCopy {
			s.process[p].copyVer = 0
		}
	}
	if s.record.kind == absent {
		s.record = record{}
	}
	var n names
	n.rename(&s.record.id)
	for r := range s.reader {
		n.rename(&s.reader[r].token)
		n.rename(&s.reader[r].id)
	}
	for p := range s.process {
		for i := range s.process[p].queue {
			n.rename(&s.process[p].queue[i].id)
		}
	}
}

// forget drops what a reader does not need where it is.
func (r *reader) forget() {
	switch r.at {
	case idle:
		*r = reader{gets: r.gets}
	case sentGet:
		r.reply, r.ver, r.id = 0, 0, 0
	case gotGet:
		if r.reply != leaseYours {
			r.token = 0
		}
		if r.reply != hit {
			r.ver, r.id = 0, 0
		}
	case waiting:
		r.reply, r.ver, r.id, r.token, r.poisoned = 0, 0, 0, 0, false
	case loading:
		r.reply, r.ver, r.id, r.poisoned = 0, 0, 0, false
	case loaded:
		r.reply, r.id, r.poisoned = 0, 0, false
	case sentFill:
		r.reply, r.id = 0, 0
	case gotFill:
		r.id, r.token = 0, 0
	case joined:
		*r = reader{at: joined, leader: r.leader, floor: r.floor, floorH: r.floorH, gets: r.gets}
	default:
		r.forgetRefresh()
	}
}

// forgetRefresh is forget for a reader after its Get has returned.
func (r *reader) forgetRefresh() {
	r.floor, r.floorH = 0, 0
	switch r.at {
	case refreshing:
		r.reply, r.ver, r.poisoned = 0, 0, false
	case refreshed:
		r.reply, r.poisoned = 0, false
	case sentRefresh:
		r.reply = 0
	case gotRefresh:
		r.id, r.token = 0, 0
	}
}

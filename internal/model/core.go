package model

// The core model: one key. Process 0 has readers 0 and 1, process 1 has reader
// 2; a writer commits to the database and then calls Delete. Each process has
// one tracking connection: a queue of replies and pushes. Redis running a script,
// the process reading its reply from the socket, the goroutine acting on it and
// storing a copy in L1 are separate steps, so everything that can be reordered in
// a process is. A reader that crashes or stalls is one that takes no more steps,
// which is part of every run.

const (
	processes = 2
	readers   = 3

	// queueLen is how much a connection holds. Redis waits while a queue has too
	// little room for what a step may send. A longer one adds no states: a reader
	// waits for its reply, and between two replies there is at most one push.
	queueLen = 6
)

// processOf returns the process of reader r.
func processOf(r int) int {
	if r == 2 {
		return 1
	}
	return 0
}

// coreRules says what is in the system of a run.
type coreRules struct {
	writes uint8           // commits, each followed by a Delete
	gets   [readers]budget // by each reader

	expiries  budget // of leases
	evictions budget // of values
	losses    budget // of connections
	timeouts  budget // of Deletes, which are retried, while the first may run later

	maxDisconnected uint8 // H, in ticks; 0: time is not part of the run

	ownWriter     bool // the writer is a goroutine of process 0
	foreignSecond bool // the second write is made by another process all the same
	refresh       bool // a hit may start an eager refresh, which compares and sets
	noMemory1     bool // process 1 runs without L1

	without coreFaults
}

// coreFaults are the safeguards that a run leaves out.
type coreFaults struct {
	leaseCheck        bool // a fill does not look at the lease
	ownToken          bool // a lease has the token of its process, not its own
	poison            bool // a push does not spoil what is being read
	leaseTracking     bool // the get script does not read again after writing the lease
	fillTracking      bool // the fill script does not read again after writing the value
	joinerRetry       bool // joiners accept a load with a refused fill
	joinerLimit       bool // a load may be joined after its fill was sent
	writeConn         bool // Delete goes over the tracking connection, which is NOLOOP
	afterDelete       bool // the writer's process is not cleaned up after its Delete
	dialFence         bool // a new connection serves before the loss of the old one is known
	heartbeatSendTime bool // the L1 lease is counted from the heartbeat's reply
	heartbeat         bool // copies are served without an L1 lease
	epoch             bool // a reply of a lost connection may still be stored
	refreshCompare    bool // a refresh sets without comparing
}

// place is where a reader is in its Get.
type place uint8

const (
	idle place = iota
	sentGet
	gotGet
	loading
	loaded
	sentFill
	gotFill
	waiting    // for another reader's lease
	joined     // to the load of another reader of the process
	refreshing // the Get has returned: now load, compare and set
	refreshed
	sentRefresh
	gotRefresh
)

// reply is what a script has answered.
type reply uint8

const (
	hit reply = iota
	leaseYours
	leaseOther
	filled
	refused
)

// messageKind is what comes out of a connection.
type messageKind uint8

const (
	nothing messageKind = iota
	push
	answer // of a script
	heartbeatReply
)

type message struct {
	kind    messageKind
	reader  uint8
	reply   reply
	ver, id uint8
}

// A reader is a goroutine that calls Get.
type reader struct {
	at       place
	reply    reply
	ver, id  uint8 // of the value read or loaded
	token    uint8 // of its lease
	floor    uint8 // the newest version with a Delete that had returned when the Get began
	floorH   uint8 // the same, H before
	poisoned bool  // what comes back must not be stored in L1
	closed   bool  // its load is not joined any more
	leader   uint8 // the reader with the load that it has joined
	gets     budget
}

// A process has a copy in L1 and one connection to Redis. Tracked is Redis's
// view: the next change of the key is pushed.
type process struct {
	tracked bool
	queue   [queueLen]message
	up      bool // the server's end of the connection
	unaware bool // the connection is gone and the process does not know

	hasCopy bool
	copyVer uint8

	leaseLeft    uint8    // ticks that L1 may still be served
	heartbeat    progress // of the heartbeat
	heartbeatAge uint8    // ticks since it was sent, H at most
}

// progress of a heartbeat.
type progress uint8

const (
	notSent progress = iota
	sent
	answered // and still in the queue
)

// writerPlace is where the writer is.
type writerPlace uint8

const (
	writerIdle writerPlace = iota
	committed
	deleting
	deleted // in Redis; Delete has not returned
)

type coreState struct {
	db      uint8 // the newest version in the database
	record  record
	process [processes]process
	reader  [readers]reader

	writer   writerPlace
	returned uint8    // the newest version with a Delete that has returned
	age      [3]uint8 // by version: ticks since its Delete returned, H at most
	orphan   bool     // a Delete that timed out may still run

	expiries, evictions, losses, timeouts budget
}

func (c *coreRules) initial() coreState {
	s := coreState{expiries: c.expiries, evictions: c.evictions, losses: c.losses, timeouts: c.timeouts}
	for p := range s.process {
		s.process[p].up, s.process[p].leaseLeft = true, c.maxDisconnected
	}
	for r := range s.reader {
		s.reader[r].gets = c.gets[r]
	}
	return s
}

func (c *coreRules) explore() Result { return explore(c.initial(), c.successors, maxStates) }

// successors emits every state one step after s.
func (c *coreRules) successors(s *coreState, out emit[coreState]) {
	step := func(what label, after coreState, broken violation) {
		c.canon(&after)
		out(what, after, broken)
	}
	c.stepWriter(s, step)
	c.stepRedis(s, step)
	c.stepTime(s, step)
	for p := range s.process {
		c.stepHeartbeat(s, p, step)
		c.stepConnection(s, p, step)
		c.stepReceive(s, p, step)
	}
	for r := range s.reader {
		c.stepReader(s, r, step)
	}
}

// timed reports whether time is part of the run.
func (c *coreRules) timed() bool { return c.maxDisconnected > 0 }

// hasMemory reports whether process p has an L1.
func (c *coreRules) hasMemory(p int) bool { return !(c.noMemory1 && p == 1) }

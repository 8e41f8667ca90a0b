package model

// untrackedRuns follow the protocol.
var untrackedRuns = []Run{
	{"U0", "a process reads, another one writes twice, connections are lost", "", 2278, 19,
		&untrackedRules{writes: 2, losses: u, maxStale: 3}},
	{"U1", "the writer is in the process of the reader", "", 1413, 19,
		&untrackedRules{writes: 2, losses: u, maxStale: 3, ownWriter: true}},
	{"U2", "writes are announced, late or never", "", 7185, 20,
		&untrackedRules{writes: 2, losses: u, maxStale: 3, announced: true}},
}

// brokenUntrackedRuns each leave out one safeguard.
var brokenUntrackedRuns = []Run{
	{"U3", "a copy is served for as long as there is one", G3, 108, 8,
		&untrackedRules{writes: 1, maxStale: 2, without: untrackedFaults{maxStale: true}}},
	{"U4", "MaxStale is counted from the reply of a read", G3, 142, 8,
		&untrackedRules{writes: 1, maxStale: 2, without: untrackedFaults{sendTime: true}}},
	{"U5", "revalidation does not compare versions", G1, 196, 10,
		&untrackedRules{writes: 1, maxStale: 2, without: untrackedFaults{compare: true}}},
	{"U6", "an own Delete does not spoil what is being read", G2, 105, 6,
		&untrackedRules{writes: 1, maxStale: 2, ownWriter: true, without: untrackedFaults{poison: true}}},
	{"U7", "announcements are relied on", G3, 250, 8,
		&untrackedRules{writes: 1, maxStale: 2, announced: true, without: untrackedFaults{bound: true}}},
}

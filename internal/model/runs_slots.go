package model

// slotRuns follow the protocol.
var slotRuns = []Run{
	{"S0", "a slot moves once, its push comes late or never, a write", "", 665125, 30,
		&slotRules{writes: 1, moves: 1, maxDisconnected: 2}},
	{"S1", "a slot moves there and back", "", 5310222, 35,
		&slotRules{writes: 1, moves: 2, maxDisconnected: 2}},
	{"S2", "a slot moves to a node that has joined, a connection is lost", "", 480700, 32,
		&slotRules{writes: 1, moves: 1, losses: 1, maxDisconnected: 2, joins: true}},
}

// brokenSlotRuns each leave out one safeguard.
var brokenSlotRuns = []Run{
	{"S3", "the slot map is no part of the heartbeat", G3, 159829, 15,
		&slotRules{writes: 1, moves: 1, maxDisconnected: 2, without: slotFaults{slotMap: true}}},
	{"S4", "the heartbeat reports the owner of a slot, but not the epoch: there and back goes unnoticed", G3, 1082437, 16,
		&slotRules{writes: 1, moves: 2, maxDisconnected: 2, without: slotFaults{epoch: true}}},
	{"S5", "a node that has joined gets no heartbeat", G3, 66403, 15,
		&slotRules{writes: 1, moves: 1, losses: 1, maxDisconnected: 2, joins: true, without: slotFaults{joined: true}}},
	{"S6", "a change of the slot map does not spoil what is being read", G3, 258469, 15,
		&slotRules{writes: 1, moves: 1, maxDisconnected: 2, without: slotFaults{poison: true}}},
}

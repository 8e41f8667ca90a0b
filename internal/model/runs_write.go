package model

var (
	both = [writers]bool{true, true}
	none = [writers]bool{}
	one  = [writers]bool{true, false} // the first
)

// writeRuns follow the protocol.
var writeRuns = []Run{
	{"W1", "two write intents that end with Done, a writer crashes anywhere", "", 43298, 18,
		&writeRules{intent: both, crashes: 1, evictions: u}},
	{"W2", "two write intents that end with CommitSet, a writer crashes anywhere", "", 45346, 19,
		&writeRules{intent: both, doneSet: both, crashes: 1, evictions: u}},
	{"W3", "a write intent with CommitSet, and a plain Delete", "", 24230, 17,
		&writeRules{intent: one, doneSet: one, crashes: 1, evictions: u}},
	{"W4", "two write intents, both writers may crash", "", 50150, 19,
		&writeRules{intent: both, doneSet: both, crashes: 2, evictions: u}},
	{"W5", "loads read a replica that lags, a Delete lays a hold", "", 35144, 19,
		&writeRules{intent: none, replica: true, evictions: u}},
}

// brokenWriteRuns each leave out one safeguard; C0 has none left.
var brokenWriteRuns = []Run{
	{"C0", "the write intent does nothing, a writer crashes after its commit", G6, 6991, 8,
		&writeRules{intent: both, crashes: 1, evictions: u, without: writeFaults{cap: true, beginDelete: true}}},
	{"C1", "CommitSet writes although the write intent was shared", G6, 1774, 6,
		&writeRules{intent: both, doneSet: both, crashes: 1, evictions: u, without: writeFaults{soleCheck: true}}},
	{"C2", "a Delete does not make a write intent shared", G6, 1249, 6,
		&writeRules{intent: one, doneSet: one, crashes: 1, evictions: u, without: writeFaults{deleteMark: true}}},
	{"C3", "BeginWrite leaves the value", G6, 9875, 8,
		&writeRules{intent: both, crashes: 1, without: writeFaults{beginDelete: true}}},
	{"C4", "what is filled under a hold outlives it", G6, 7225, 8,
		&writeRules{intent: both, crashes: 1, evictions: u, without: writeFaults{cap: true}}},
	{"C5", "a lease taken under a hold fills after it", G6, 7246, 8,
		&writeRules{intent: both, crashes: 1, evictions: u, without: writeFaults{refusal: true}}},
	{"C6", "the first Done ends the hold of the other writer", G6, 9831, 9,
		&writeRules{intent: both, crashes: 1, evictions: u, without: writeFaults{otherHold: true}}},
	{"C7", "a Delete drops the hold", G6, 4595, 8,
		&writeRules{intent: one, crashes: 1, evictions: u, without: writeFaults{deleteKeep: true}}},
	{"C8", "loads read a replica that lags, a Delete lays no hold", G6, 7572, 10,
		&writeRules{intent: none, replica: true, evictions: u, without: writeFaults{lagHold: true}}},
	{"C9", "taking a lease drops the hold", G6, 3570, 7,
		&writeRules{intent: both, crashes: 1, evictions: u, without: writeFaults{leaseKeep: true}}},
}

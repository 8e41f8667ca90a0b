package model

// tagRuns follow the protocol.
var tagRuns = []Run{
	{"T0a", "one InvalidateTags, the tag is evicted once", "", 99664, 28,
		&tagRules{writes: 1, evictions: 1}},
	{"T0", "two InvalidateTags, the tag is evicted twice, the clock is lost once", "", 13898489, 40,
		&tagRules{writes: 2, evictions: 2, clockEvictions: 1}},
	{"T0b", "one InvalidateTags, the tag is evicted three times, the clock is lost twice", "", 9170005, 45,
		&tagRules{writes: 1, evictions: 3, clockEvictions: 2}},
}

// brokenTagRuns each leave out one safeguard.
var brokenTagRuns = []Run{
	{"T1", "an entry is stamped after its load", G5, 3319, 8,
		&tagRules{writes: 2, without: tagFaults{earlyStamp: true}}},
	{"T2", "a missing tag counts as never invalidated", G5, 15530, 9,
		&tagRules{writes: 2, evictions: 2, clockEvictions: 1, without: tagFaults{unknown: true}}},
	{"T3", "a missing tag is made from the local copy of the clock", G5, 12740, 10,
		&tagRules{writes: 2, evictions: 2, without: tagFaults{freshClock: true}}},
	{"T4", "a tag is a counter of its own, from 1", G5, 2082, 8,
		&tagRules{writes: 2, evictions: 2, without: tagFaults{clock: true}}},
	{"T5", "a lost clock begins at 1 again", G5, 17725, 9,
		&tagRules{writes: 2, evictions: 2, clockEvictions: 1, without: tagFaults{clockSeed: true}}},
	{"T6", "a missing tag is made without the marker", G5, 77311, 13,
		&tagRules{writes: 2, evictions: 2, without: tagFaults{tagMarker: true}}},
}

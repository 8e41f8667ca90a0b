package model

var failoverRuns = []Run{
	{"D0", "two writes, two failovers, the recent-write log is replayed", "", 65296, 24,
		&failoverRules{writes: 2, failovers: 2}},
	{"D1", "the recent-write log is not replayed", G7, 2377, 8,
		&failoverRules{writes: 2, failovers: 1, without: failoverFaults{replay: true}}},
}

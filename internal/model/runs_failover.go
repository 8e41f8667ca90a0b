package model

var failoverRuns = []Run{
	{"D0", "two writes, two failovers, the journal is sent again", "", 65296, 24,
		&failoverRules{writes: 2, failovers: 2}},
	{"D1", "the journal is not sent again", G7, 2377, 8,
		&failoverRules{writes: 2, failovers: 1, without: failoverFaults{replay: true}}},
}

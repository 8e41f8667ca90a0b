package model

import "slices"

// A Run is a model with its rules, and what exploring it must find.
type Run struct {
	// Name is that of internal/model/README.md: a letter for the model and a number.
	Name string
	// Shows says what is in the system, or which safeguard is left out.
	Shows string
	// Breaks is the guarantee that the run breaks, "" if the protocol is
	// whole and must keep all of them.
	Breaks Guarantee
	// States and Depth are those of the Result. They are known beforehand, so
	// that a change of a model is noticed, and made on purpose.
	States, Depth int

	rules interface{ explore() Result }
}

// Explore visits all states of the run, or those up to the first broken
// guarantee. It takes some seconds and some hundred bytes for each million.
func (r Run) Explore() Result { return r.rules.explore() }

// Runs returns all runs, in the order of internal/model/README.md.
func Runs() []Run {
	return slices.Concat(coreRuns, brokenCoreRuns, writeRuns, brokenWriteRuns, tagRuns, brokenTagRuns, failoverRuns, slotRuns, brokenSlotRuns,
		untrackedRuns, brokenUntrackedRuns)
}
